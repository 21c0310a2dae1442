"use strict";
// Renews the parts of the page that are marked data-live every two seconds. It
// leaves them alone while the page is not visible, while the focus is in one of
// them and while text in one is selected.
(() => {
  const every = 2000;
  const pulse = document.getElementById("pulse");
  const parts = () => [...document.querySelectorAll("[data-live]")];
  const inside = node => node && parts().some(part => part.contains(node));

  function reading() {
    const selection = document.getSelection();
    return inside(document.activeElement) ||
      selection && !selection.isCollapsed && (inside(selection.anchorNode) || inside(selection.focusNode));
  }

  // A screen reader announces the text when it changes, so it changes rarely.
  function show(text) {
    if (pulse.textContent !== text) {
      pulse.textContent = text;
    }
  }

  async function renew() {
    if (document.hidden) {
      return;
    }
    if (reading()) {
      show("Paused while you read here");
      return;
    }
    try {
      const answer = await fetch(location.href, {
        cache: "no-store", credentials: "omit", headers: {Accept: "text/html"}, signal: AbortSignal.timeout(5000),
      });
      if (!answer.ok) {
        throw new Error(answer.statusText);
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (reading()) {
        return;
      }
      for (const part of parts()) {
        const next = fresh.getElementById(part.id);
        if (next) {
          part.replaceChildren(...next.childNodes);
        }
      }
      show("Live");
    } catch {
      show("No answer: this is old");
    }
  }

  async function loop() {
    await renew();
    setTimeout(loop, every);
  }
  setTimeout(loop, every);
  document.addEventListener("visibilitychange", renew);
})();

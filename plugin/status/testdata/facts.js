// Returns what is wrong with the layout and the accessibility of the page, as a
// list of sentences.
(() => {
  const wrong = [];
  const all = selector => [...document.querySelectorAll(selector)];
  const named = e => `${e.tagName.toLowerCase()}${e.id ? "#" + e.id : ""}${e.className && e.className.baseVal === undefined ? "." + e.className : ""} "${e.textContent.trim().slice(0, 30)}"`;
  const clipped = e => e && e.getBoundingClientRect().width <= 1; // for screen readers only
  const visible = e => e.checkVisibility({visibilityProperty: true}) && !e.closest(".skip:not(:focus)") && !clipped(e) && !clipped(e.closest("thead, .away"));

  // Nothing is wider than the window.
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  for (const e of all("body *")) {
    if (visible(e) && e.getBoundingClientRect().right > width + 1) wrong.push(`${named(e)} ends at ${e.getBoundingClientRect().right}`);
  }

  // Landmarks, headings, language.
  for (const [selector, count] of [["header", 1], ["main", 1], ["footer", 1], ["h1", 1], ["html[lang]", 1], ["nav:not([aria-label])", 0], ["[role=status]", 1]]) {
    if (all(selector).length !== count) wrong.push(`${all(selector).length} of ${selector}, want ${count}`);
  }
  let level = 0;
  for (const h of all("h1, h2, h3")) {
    const next = Number(h.tagName[1]);
    if (next > level + 1) wrong.push(`${named(h)} skips a level`);
    level = next;
  }
  const ids = all("[id]").map(e => e.id);
  for (const id of ids) if (ids.filter(other => other === id).length > 1) wrong.push(`the id ${id} is there twice`);
  for (const e of all("[aria-labelledby]")) if (!document.getElementById(e.getAttribute("aria-labelledby"))) wrong.push(`${named(e)} is labelled by nothing`);

  // Names of what can be used.
  for (const e of all("input, select")) if (!e.labels.length || !e.labels[0].textContent.trim()) wrong.push(`${named(e)} has no label`);
  for (const e of all("a, button")) if (!e.textContent.trim()) wrong.push(`${named(e)} has no text`);
  for (const e of all("svg")) if (e.getAttribute("role") !== "img" || !/\d %|not known/.test(e.getAttribute("aria-label")) || !e.querySelector("title")) wrong.push(`${named(e)} has no percentage as text`);

  // Tables.
  for (const t of all("table")) {
    const columns = t.querySelectorAll("thead th").length;
    if (!t.caption || !t.caption.textContent.trim()) wrong.push("a table without a caption");
    for (const th of t.querySelectorAll("th")) if (!["col", "row"].includes(th.scope)) wrong.push(`${named(th)} has no scope`);
    for (const tr of t.tBodies[0].rows) {
      if (tr.cells.length !== columns) wrong.push(`${tr.cells.length} cells below ${columns} heads`);
      for (const td of tr.querySelectorAll("td")) if (!td.dataset.label) wrong.push(`${named(td)} has no label for a narrow window`);
    }
  }

  // States are words beside a sign that is not read.
  for (const e of all(".state")) {
    if (!/[a-z]{2}/.test(e.textContent) || !e.querySelector("[aria-hidden=true]")) wrong.push(`${named(e)} is a color only`);
  }

  // Contrast, computed from the styles.
  const light = c => {
    const [r, g, b] = c.match(/[\d.]+/g).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (c !== "rgba(0, 0, 0, 0)") return c;
    }
    return "rgb(255, 255, 255)";
  };
  const seen = new Set();
  for (const e of all("body *")) {
    const text = [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!text && e.tagName !== "INPUT" || e.closest("svg, option") || !visible(e)) continue;
    for (const [what, color] of [["text", getComputedStyle(e).color], ["label", getComputedStyle(e, "::before").color]]) {
      const pair = `${color} on ${ground(e)}`;
      if (seen.has(pair)) continue;
      seen.add(pair);
      const [a, b] = [light(color), light(ground(e))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) wrong.push(`${named(e)}: ${what} has a contrast of ${ratio.toFixed(2)} (${pair})`);
    }
  }
  if (seen.size < 4) wrong.push(`only ${seen.size} pairs of colors seen`);
  for (const e of all("path.u, path.d")) {
    const [a, b] = [light(getComputedStyle(e).fill), light(ground(e.closest("td")))];
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 3) wrong.push("a picture has a contrast below 3");
  }

  if (document.scripts.length !== 1) wrong.push(`${document.scripts.length} scripts, want ours only`);
  return [...new Set(wrong)].slice(0, 20);
})()

package live

import (
	"runtime"
	"testing"
)

// What a list takes for each address that it holds, beside the address itself.
func TestAWatchlistIsSmall(t *testing.T) {
	const maxBytes = 36 // two slots to four, and the last of the table before
	for _, n := range []int{1 << 15, 40_000, 100_000} {
		addresses := make([]address, n)
		before := heap()
		w := newTable()
		for i := range addresses {
			addresses[i].addr = numberedAddr(i)
			w.add(&addresses[i])
		}
		after := heap()
		bytes := float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)) / float64(n)
		t.Logf("%.0f bytes an address, of %d", bytes, n)
		if bytes > maxBytes {
			t.Errorf("an address of %d takes %.0f bytes, want at most %d", n, bytes, maxBytes)
		}
		runtime.KeepAlive(w)
		runtime.KeepAlive(addresses)
	}
}

// heap returns what the heap holds when all garbage is gone.
func heap() runtime.MemStats {
	for range 3 { // what finalizers and pools let go of takes more than one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}

package config

import "github.com/rrhealth/rrhealth/plugin/pool"

// parseRecovery reads one of the options slow_start, hold_down and failback.
// hold_down is at most pool.FlapWindow, after which a failure is forgotten.
func (p *parser) parseRecovery(l Line) error {
	recovery := &p.Pool.Recovery
	var err error
	switch l.word() {
	case "slow_start":
		recovery.SlowStart, err = oneDuration(l, "a duration such as 1m", minRecovery, maxRecovery)
	case "hold_down":
		recovery.HoldDown, err = oneDuration(l, "a duration such as 20s", minRecovery, pool.FlapWindow)
	case "failback":
		err = parseFailback(l, recovery)
	}
	return err
}

// parseFailback reads when the first tier is answered again after a failover.
func parseFailback(l Line, recovery *pool.Recovery) error {
	const want = "auto, manual or a duration such as 5m"
	text, err := l.arg(want)
	switch {
	case err != nil:
	case text == "auto":
		recovery.Failback = 0
	case text == "manual":
		recovery.Failback = pool.FailbackNever
	case text == "" || text[0] < '0' || text[0] > '9':
		return l.Errorf("failback: got %q, want %s", text, want)
	default:
		recovery.Failback, err = duration(l, text, minRecovery, maxRecovery)
	}
	return err
}

package deploy_test

import (
	"testing"

	"github.com/rrhealth/rrhealth/internal/harness"

	_ "github.com/rrhealth/rrhealth"

	// The plugins around rrhealth in the server that Prometheus scrapes.
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/metrics"
)

func TestMain(m *testing.M) { harness.Main(m) }

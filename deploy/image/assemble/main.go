// Command assemble fills the root folder of the image: the programs, their CA
// certificates, the file capability, the license and the SBOM.
//
//	assemble -from FOLDER -root FOLDER
//
// deploy/image/build fills the folder -from. The command runs in the build
// stage of the Dockerfile, which has Go and few other programs: so it sets the
// file capability and writes the SBOM without other tools.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	from := flag.String("from", "", "folder of the built programs")
	root := flag.String("root", "", "folder to lay the image out in")
	flag.Parse()
	if *from == "" || *root == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := assemble(*from, *root); err != nil {
		fmt.Fprintln(os.Stderr, "assemble:", err)
		os.Exit(1)
	}
}

// bundles are the files with CA certificates on common systems.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
	"/etc/ssl/ca-bundle.pem",             // SUSE
}

func assemble(from, root string) error {
	certs, err := firstOf(bundles)
	if err != nil {
		return fmt.Errorf("CA certificates: %w", err)
	}
	coredns := filepath.Join(root, "coredns")
	for _, f := range []struct {
		from, to string
		mode     os.FileMode
	}{
		{filepath.Join(from, "coredns"), coredns, 0o755},
		{filepath.Join(from, "rrhealthctl"), filepath.Join(root, "rrhealthctl"), 0o755},
		{filepath.Join(from, "healthcheck"), filepath.Join(root, "healthcheck"), 0o755},
		{certs, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), 0o644},
		{"LICENSE", filepath.Join(root, "usr/share/licenses/rrhealth/LICENSE"), 0o644},
	} {
		content, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		if err := place(f.to, content, f.mode); err != nil {
			return err
		}
	}
	for _, program := range []string{"coredns", "rrhealthctl"} {
		bom, err := sbom(filepath.Join(root, program))
		if err != nil {
			return fmt.Errorf("SBOM: %w", err)
		}
		if err := place(filepath.Join(root, "usr/share/sbom", program+".cdx.json"), bom, 0o644); err != nil {
			return err
		}
	}
	// Last: writing to a file removes its capabilities.
	return allowBind(coredns)
}

func firstOf(paths []string) (string, error) {
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("none of %v exists", paths)
}

// place writes a file with the given mode and a fixed time, so that it is the
// same in every build.
func place(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // #nosec G301 -- the image's user must get in
		return err
	}
	if err := os.WriteFile(path, content, mode); err != nil { // #nosec G703 -- the caller's own folder
		return err
	}
	if err := os.Chmod(path, mode); err != nil { // independent of the umask
		return err
	}
	return os.Chtimes(path, time.Unix(0, 0), time.Unix(0, 0))
}

// Verifier compares a backup of the event store with signed checkpoints. It shares no code with the
// Python programs: only the file formats, which docs/evidence.md describes.
//
//	verifier -key VKEY -checkpoints FILE -backup FILE
//	verifier -key VKEY -proof FILE
//
// The second form checks the proof of a title, as `library prove` prints it.
//
// Exit codes: 0 every checkpoint matches, 4 one does not, 65 a file can't be read, or no note is signed by the key.
package main

import (
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	exitFindings = 4
	exitBadData  = 65
)

// checkpoint is one signed statement: the first size events of origin's partition have this root.
type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
}

func main() {
	key := flag.String("key", "", "the notary's public key, NAME+HASH+KEY")
	checkpoints := flag.String("checkpoints", "", "the notary's file of signed checkpoints")
	backup := flag.String("backup", "", "a file of `library backup`")
	proof := flag.String("proof", "", "a proof of `library prove`")
	flag.Parse()
	trusted, err := note.NewVerifier(*key)
	exitOn(err)
	if *proof != "" {
		checkProof(*proof, trusted)
		return
	}
	notes, err := os.ReadFile(*checkpoints)
	exitOn(err)
	store, err := readBackup(*backup)
	exitOn(err)
	findings, matches := []string{}, 0
	for _, text := range split(string(notes)) {
		signed, err := open(text, trusted)
		if err == nil {
			err = store.check(signed)
		}
		if err != nil {
			findings = append(findings, err.Error())
		} else {
			matches++
		}
	}
	for _, finding := range findings {
		fmt.Println(finding)
	}
	fmt.Fprintf(os.Stderr, "%d checkpoints match, %d do not\n", matches, len(findings))
	if len(findings) > 0 {
		os.Exit(exitFindings)
	}
	if matches == 0 {
		exitOn(fmt.Errorf("%s has no checkpoint", *checkpoints))
	}
}

// split cuts a file into signed notes: text, an empty line, then lines of signatures.
func split(file string) (notes []string) {
	for lines := strings.SplitAfter(file, "\n"); ; {
		start := slices.IndexFunc(lines, func(line string) bool { return strings.TrimSpace(line) != "" })
		if start < 0 {
			return notes
		}
		lines = lines[start:]
		end := slices.Index(lines, "\n") + 1
		for end < len(lines) && strings.HasPrefix(lines[end], "— ") {
			end++
		}
		if end == 0 { // no empty line: not a note, which note.Open says
			end = len(lines)
		}
		notes, lines = append(notes, strings.Join(lines[:end], "")), lines[end:]
	}
}

// open checks a note's signature and reads the checkpoint (https://c2sp.org/tlog-checkpoint).
func open(text string, trusted note.Verifier) (checkpoint, error) {
	first, _, _ := strings.Cut(text, "\n")
	opened, err := note.Open([]byte(text), note.VerifierList(trusted))
	if err != nil {
		return checkpoint{}, fmt.Errorf("the checkpoint of %s is not signed by the key: %w", first, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 {
		return checkpoint{}, fmt.Errorf("%s signed a note that is no checkpoint", trusted.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, notBase64 := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || notBase64 != nil || size < 0 || len(root) != tlog.HashSize {
		return checkpoint{}, fmt.Errorf("the checkpoint of %s has no size and root", first)
	}
	return checkpoint{lines[0], size, tlog.Hash(root)}, nil
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitBadData)
	}
}

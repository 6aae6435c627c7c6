package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// titleProof is the document of `library prove`. Binary values are base64.
type titleProof struct {
	ISBN   string
	Proofs []struct {
		Checkpoint string
		Records    []struct {
			Index int64
			Leaf  []byte
			Path  []tlog.Hash
		}
	}
}

// checkProof ends the program with exitFindings unless each event is in its checkpoint, and is the title's next.
func checkProof(name string, trusted note.Verifier) {
	text, err := os.ReadFile(name)
	exitOn(err)
	var title titleProof
	exitOn(json.Unmarshal(text, &title))
	events := 0
	for _, proof := range title.Proofs {
		signed, err := open(proof.Checkpoint, trusted)
		failOn(err)
		for _, record := range proof.Records {
			hash := tlog.RecordHash(record.Leaf)
			failOn(tlog.CheckRecord(record.Path, signed.size, signed.root, record.Index, hash))
			events++
			key := fmt.Sprintf("%s/%d", title.ISBN, events)
			if found := leafKey(record.Leaf); found != key {
				failOn(fmt.Errorf("event %d is %q instead of %q", record.Index, found, key))
			}
		}
	}
	fmt.Fprintf(os.Stderr, "%d events of %s are in checkpoints\n", events, title.ISBN)
}

// leafKey is the key of the event in a leaf: the lengths of all parts come first, the key is the first part.
func leafKey(leaf []byte) string {
	parts := leafParts(leaf)
	if len(parts) == 0 {
		return ""
	}
	return string(parts[0])
}

func failOn(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(exitFindings)
	}
}

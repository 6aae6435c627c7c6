package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const header = `{"history":1,"seed":0}`

// A line of a history about the title T.
func attempt(call, end int, id, command, answer string) string {
	ended := fmt.Sprintf(`"end":%d,`, end)
	if end == 0 {
		ended = ""
	}
	return fmt.Sprintf(`{"call":%d,%s"id":"%s","command":{"isbn":"T",%s},"answer":{%s}}`, call, ended, id, command, answer)
}

func read(call, end int, after, answer string) string {
	return fmt.Sprintf(`{"call":%d,"end":%d,"id":"r.1","read":"T","api":"api-0","after":"%s","answer":{%s}}`, call, end, after, answer)
}

const (
	add     = `"type":"AddBook","title":"t","author":"a","quantity":1`
	borrow  = `"type":"BorrowBook","user_id":"ann"`
	take    = `"type":"BorrowBook","user_id":"bob"`
	giveUp  = `"type":"ReturnBook"`
	refused = `"what":"refused","code":"none_available"`
	closed  = `"what":"refused","code":"patron_closing"`
	reused  = `"what":"reused"`
	unknown = `"what":"unknown"`
	onShelf = `"status":200,"version":1,"title":"t","author":"a","quantity":1,"on_loan":0`
	onLoan  = `"status":200,"version":2,"title":"t","author":"a","quantity":1,"on_loan":1`
)

func accepted(kind string, version int) string {
	return fmt.Sprintf(`"what":"accepted","event":"%s","version":%d,"position":"0:%d"`, kind, version, version*2)
}

var added = attempt(1, 2, "a", add, accepted("BookAdded", 1))

func TestHistories(t *testing.T) {
	borrowed := attempt(3, 4, "b", borrow, accepted("BookBorrowed", 2))
	lost := attempt(3, 0, "b", borrow, unknown)
	for name, one := range map[string]struct {
		linearizable bool
		lines        []string
	}{
		"commands in turn": {true, []string{added, borrowed, attempt(5, 6, "c", take, refused)}},
		"a refusal that was right during the call": {true, []string{added, borrowed,
			attempt(3, 9, "c", take, refused), attempt(5, 6, "d", giveUp, accepted("BookReturned", 3))}},
		"a stale refusal": {false, []string{added, borrowed,
			attempt(5, 6, "c", giveUp, accepted("BookReturned", 3)), attempt(7, 8, "d", take, refused)}},
		"two commands at the same version":         {false, []string{added, borrowed, attempt(3, 4, "c", take, accepted("BookBorrowed", 2))}},
		"an event of nobody":                       {false, []string{added, attempt(3, 4, "b", borrow, accepted("BookBorrowed", 3))}},
		"an acknowledged command that did nothing": {false, []string{added, attempt(3, 4, "b", borrow, `"what":"unchanged"`)}},
		"an unknown outcome that happened":         {true, []string{added, lost, attempt(5, 6, "c", take, refused)}},
		"an unknown outcome that never happened":   {true, []string{added, lost, attempt(5, 6, "c", take, accepted("BookBorrowed", 2))}},
		"an unknown outcome before its call":       {false, []string{added, attempt(3, 4, "c", take, refused), attempt(5, 0, "b", borrow, unknown)}},
		"a repeat with the first receipt":          {true, []string{added, borrowed, attempt(7, 8, "b", borrow, accepted("BookBorrowed", 2))}},
		"a repeat that was decided again":          {false, []string{added, borrowed, attempt(7, 8, "b", borrow, `"what":"refused","code":"already_borrowed"`)}},
		"a repeat after an unknown outcome":        {true, []string{added, lost, attempt(5, 6, "c", take, refused), attempt(7, 8, "b", borrow, accepted("BookBorrowed", 2))}},
		"a refused repeat whose first attempt counts": {false, []string{added, lost,
			attempt(5, 6, "b", borrow, `"what":"refused","code":"already_borrowed"`)}},
		"a repeat whose borrower was forgotten": {true, []string{added, borrowed, attempt(5, 6, "c", giveUp, accepted("BookReturned", 3)), attempt(7, 8, "b", borrow, reused)}},
		"a repeat whose borrower was forgotten, after an unknown outcome": {true, []string{added, lost,
			attempt(5, 6, "c", giveUp, accepted("BookReturned", 3)), attempt(7, 8, "b", borrow, reused)}},
		"a repeat of nothing": {false, []string{added, attempt(3, 4, "b", borrow, reused),
			`{"call":9,"end":10,"log":"T","events":[[1,"BookAdded","a","0:2"]]}`}},
		"a repeat within one call, whose borrower was forgotten meanwhile": {true, []string{added, attempt(3, 4, "b", borrow, reused),
			`{"call":9,"end":10,"log":"T","events":[[1,"BookAdded","a","0:2"],[2,"BookBorrowed","b","0:4"]]}`}},
		"a repeat that has no borrower":            {false, []string{added, attempt(3, 4, "a", add, reused)}},
		"a loan to somebody who is forgotten":      {true, []string{added, attempt(3, 4, "b", borrow, closed)}},
		"a refused loan that was not possible":     {false, []string{added, borrowed, attempt(5, 6, "c", take, closed)}},
		"a refused return to somebody who returns": {false, []string{added, borrowed, attempt(5, 6, "c", giveUp, closed)}},
		"offsets that do not grow":                 {false, []string{added, attempt(3, 4, "b", borrow, `"what":"accepted","event":"BookBorrowed","version":2,"position":"0:1"`)}},
		"reads of the last and of an earlier state": {true, []string{added, borrowed,
			read(5, 6, "", `"position":"0:4",`+onLoan), read(7, 8, "", `"position":"0:2",`+onShelf)}},
		"a read of one's own write":           {true, []string{added, borrowed, read(5, 6, "0:4", `"position":"0:4",`+onLoan)}},
		"a stale read":                        {false, []string{added, borrowed, read(5, 6, "0:4", `"position":"0:4",`+onShelf)}},
		"a read that says less":               {false, []string{added, borrowed, read(5, 6, "0:4", `"position":"0:2",`+onLoan)}},
		"a read that shows less than it says": {false, []string{added, borrowed, read(5, 6, "", `"position":"0:4",`+onShelf)}},
		"a read of the future":                {false, []string{added, read(1, 2, "", `"position":"0:4",`+onLoan), borrowed}},
		"a read of a state that never was": {false, []string{added, borrowed,
			read(5, 6, "", `"position":"0:4",`+strings.Replace(onLoan, `"quantity":1`, `"quantity":2`, 1))}},
		"the log as receipts say":       {true, []string{added, borrowed, `{"call":9,"end":10,"log":"T","events":[[1,"BookAdded","a","0:2"],[2,"BookBorrowed","b","0:4"]]}`}},
		"a lost event":                  {false, []string{added, borrowed, `{"call":9,"end":10,"log":"T","events":[[1,"BookAdded","a","0:2"]]}`}},
		"an unknown outcome in the log": {true, []string{added, lost, `{"call":9,"end":10,"log":"T","events":[[1,"BookAdded","a","0:2"],[2,"BookBorrowed","b","0:4"]]}`}},
		"another offset in the log":     {false, []string{added, `{"call":9,"end":10,"log":"T","events":[[1,"BookAdded","a","0:3"]]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := parseHistory(strings.NewReader(strings.Join(append([]string{header}, one.lines...), "\n")))
			if err != nil {
				t.Fatal(err)
			}
			found, err := judge("test.jsonl", h, t.TempDir(), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if (found.Verdict == "linearizable") != one.linearizable || len(found.Pictures) != len(found.Failed) {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestAnotherFormatIsNotRead(t *testing.T) {
	if _, err := parseHistory(strings.NewReader(`{"history":2}`)); err == nil {
		t.Error("read")
	}
}

func TestTheStaleReadOfTheExampleIsFound(t *testing.T) {
	h, err := readHistory(filepath.Join("testdata", "stale-read.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := judge("stale-read.jsonl", h, "", time.Minute)
	if err != nil || found.Verdict != "not linearizable" {
		t.Errorf("%+v %v", found, err)
	}
}

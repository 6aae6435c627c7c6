package main

import (
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/anishathalye/porcupine"
)

// A title after some of its events. States are never changed: each points to the one before it.
type title struct {
	version  int
	present  bool
	name     string
	author   string
	quantity int
	loans    []string // Borrowers, sorted
	event    event    // The last one
	before   *title
}

// An event as a receipt or the log says it. An offset of -1 is not known.
type event struct {
	Kind, ID          string
	Version           int
	Partition, Offset int64
}

const unchanged = "unchanged"

// closing is the code with which a loan is refused that the title allows: its borrower is being forgotten. Who
// is, belongs to no title; our own checker compares it with the names.
const closing = "patron_closing"

var model = porcupine.Model{
	Init:              func() any { return &title{event: event{Offset: -1}} },
	Step:              step,
	Equal:             func(a, b any) bool { return equal(a.(*title), b.(*title)) },
	Hash:              hash,
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%s → %s", input, output) },
	DescribeState:     func(state any) string { return state.(*title).String() },
}

// step says whether an operation may have this answer here, and what the title is afterwards.
func step(state, input, output any) (bool, any) {
	t, in, out := state.(*title), input.(*operation), output.(*answer)
	if in.Command == nil {
		return in.Log != "" && t.isLogged(in.Events) || in.Read != "" && t.isShown(in, out), t
	}
	if out.What == "reused" {
		// Its borrower was forgotten since, and has another token: the command is not the same any more
		return in.Command.User != nil && t.eventOf(in.ID) != nil, t
	}
	if in.repeated {
		if done := t.eventOf(in.ID); done != nil {
			// A command takes effect once; every later answer is the first receipt
			same := out.What == "accepted" && out.event(in.ID) == *done
			return same || out.What == "unknown", t
		}
	}
	kind, code := t.decide(in.Command)
	switch out.What {
	case "accepted":
		happened := out.event(in.ID)
		right := happened.Kind == kind && happened.Version == t.version+1 && happened.Offset > t.event.Offset
		return right, t.after(in.Command, happened)
	case unchanged:
		// The clock decides whether a renewal changes the due date
		return code == unchanged || kind == "LoanRenewed", t
	case "refused":
		if out.Code == closing {
			return kind == "BookBorrowed", t
		}
		return code == out.Code, t
	case "unknown":
		// It may take effect at any time after the call. At the end of the history that means never
		if kind == "" {
			return true, t
		}
		return true, t.after(in.Command, event{kind, in.ID, t.version + 1, -1, -1})
	}
	return false, t
}

// decide returns the kind of event that a command leads to, or the code of the answer without one.
func (t *title) decide(c *command) (kind, code string) {
	onShelf, borrowed := t.quantity-len(t.loans), c.User != nil && slices.Contains(t.loans, *c.User)
	choose := func(condition bool, kind, code string) (string, string) {
		if condition {
			return kind, ""
		}
		return "", code
	}
	switch {
	case c.Type == "AddBook" && t.present:
		if t.name == *c.Title && t.author == *c.Author && t.quantity == c.Quantity {
			return "", unchanged
		}
		return "", "already_added"
	case c.Type == "AddBook":
		return "BookAdded", ""
	case !t.present && t.version > 0:
		return "", "removed"
	case !t.present:
		return "", "unknown_title"
	}
	switch c.Type {
	case "BorrowBook":
		if borrowed {
			return "", "already_borrowed"
		}
		return choose(onShelf > 0, "BookBorrowed", "none_available")
	case "ReturnBook":
		if c.User == nil && len(t.loans) > 1 {
			return "", "which_loan"
		}
		return choose(borrowed || c.User == nil && len(t.loans) == 1, "BookReturned", "not_on_loan")
	case "RenewLoan":
		return choose(borrowed, "LoanRenewed", "not_on_loan")
	case "RemoveBook":
		return choose(len(t.loans) == 0, "BookRemoved", "on_loan")
	case "AddCopies":
		return "CopiesAdded", ""
	case "WithdrawCopies":
		if c.User != nil {
			return choose(borrowed, "CopiesWithdrawn", "not_on_loan")
		}
		return choose(c.Quantity <= onShelf, "CopiesWithdrawn", "none_available")
	case "CorrectDetails":
		other := c.Title != nil && *c.Title != t.name || c.Author != nil && *c.Author != t.author
		return choose(other, "DetailsCorrected", unchanged)
	}
	panic("no command: " + c.Type)
}

// after returns the title after the event of a command.
func (t *title) after(c *command, happened event) *title {
	next := *t
	next.version, next.event, next.before = t.version+1, happened, t
	switch happened.Kind {
	case "BookAdded":
		next.present, next.name, next.author, next.quantity = true, *c.Title, *c.Author, c.Quantity
	case "BookRemoved":
		next = title{version: next.version, event: happened, before: t}
	case "BookBorrowed":
		next.loans = append(slices.Clone(t.loans), *c.User)
		slices.Sort(next.loans)
	case "BookReturned":
		next.loans = without(t.loans, c.User)
	case "CopiesAdded":
		next.quantity += c.Quantity
	case "CopiesWithdrawn":
		next.quantity -= c.Quantity
		if c.User != nil {
			next.loans = without(t.loans, c.User)
		}
	case "DetailsCorrected":
		if c.Title != nil {
			next.name = *c.Title
		}
		if c.Author != nil {
			next.author = *c.Author
		}
	}
	return &next
}

// without removes a borrower; nil is the only one.
func without(loans []string, user *string) []string {
	return slices.DeleteFunc(slices.Clone(loans), func(one string) bool { return user == nil || one == *user })
}

// isShown says whether a read may show what it does: a state of the title that is neither in the future nor
// older than the positions that the reader asked for and was told.
func (t *title) isShown(in *operation, out *answer) bool {
	if !out.at.includes(in.after) || out.Version > t.version || out.Version < in.oldest {
		return false
	}
	for t.version > out.Version {
		t = t.before
	}
	switch out.Status {
	case 404:
		return t.version == 0
	case 410:
		return t.version > 0 && !t.present
	case 200:
		return t.present && t.name == out.Title && t.author == out.Author && t.quantity == out.Quantity &&
			len(t.loans) == out.OnLoan
	}
	return false
}

// isLogged says whether these are the title's events: a last read of the whole log.
func (t *title) isLogged(events []event) bool {
	if len(events) != t.version {
		return false
	}
	for ; t.version > 0; t = t.before {
		logged, known := events[t.version-1], t.event
		if known.Offset < 0 {
			known.Partition, known.Offset = logged.Partition, logged.Offset
		}
		if logged != known {
			return false
		}
	}
	return true
}

// eventOf finds the event of a command.
func (t *title) eventOf(id string) *event {
	for ; t.version > 0; t = t.before {
		if t.event.ID == id {
			return &t.event
		}
	}
	return nil
}

// equal compares the events that led here, which determine the rest.
func equal(a, b *title) bool {
	for ; a != b; a, b = a.before, b.before {
		if a == nil || b == nil || a.event != b.event {
			return false
		}
	}
	return true
}

func hash(state any) uint64 {
	t, sum := state.(*title), fnv.New64a()
	fmt.Fprint(sum, t.version, t.event.ID)
	return sum.Sum64()
}

func (t *title) String() string {
	if !t.present {
		return fmt.Sprintf("version %d: not there", t.version)
	}
	return fmt.Sprintf("version %d: %q by %q, %d copies, lent to %v", t.version, t.name, t.author, t.quantity, t.loans)
}

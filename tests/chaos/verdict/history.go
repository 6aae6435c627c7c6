package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

const never = math.MaxInt64

// An operation is one line of a history: a command's attempt, a read, or the log of a title.
type operation struct {
	Call, End int64
	ID        string
	Command   *command
	Read      string
	Log       string
	API       string
	After     string
	Answer    answer
	Events    []event

	repeated bool     // Whether other operations have its id
	after    position // Parsed After
	oldest   int      // The version that a read must show at least
}

// A command as it was sent, for one title.
type command struct {
	Type, ISBN    string
	User          *string `json:"user_id"`
	Title, Author *string
	Quantity      int
}

// An answer to an operation. Empty fields are those of other kinds of answers.
type answer struct {
	What, Code, Event string
	Version           int
	Position          string

	Status        int
	Title, Author string
	Quantity      int
	OnLoan        int `json:"on_loan"`

	at position // Parsed Position
}

// A position has the offset of the last event that is included, by partition.
type position map[int64]int64

// A history is what one run of chaos recorded.
type history struct {
	header map[string]any
	titles map[string][]*operation
}

func (a *answer) event(id string) event {
	for partition, offset := range a.at {
		return event{a.Event, id, a.Version, partition, offset}
	}
	return event{a.Event, id, a.Version, -1, -1}
}

func (p position) includes(other position) bool {
	for partition, offset := range other {
		if own, ok := p[partition]; !ok || own < offset {
			return false
		}
	}
	return true
}

func parsePosition(text string) (position, error) {
	at := position{}
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		partition, offset, _ := strings.Cut(part, ":")
		p, err := strconv.ParseInt(partition, 10, 64)
		if err != nil {
			return nil, err
		}
		if at[p], err = strconv.ParseInt(offset, 10, 64); err != nil {
			return nil, err
		}
	}
	return at, nil
}

// UnmarshalJSON reads [version, type, command id, "partition:offset"].
func (e *event) UnmarshalJSON(text []byte) error {
	var where string
	if err := json.Unmarshal(text, &[]any{&e.Version, &e.Kind, &e.ID, &where}); err != nil {
		return err
	}
	at, err := parsePosition(where)
	for e.Partition, e.Offset = range at {
	}
	return err
}

func readHistory(path string) (*history, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var text io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			return nil, err
		}
	}
	return parseHistory(text)
}

func parseHistory(text io.Reader) (*history, error) {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<28)
	h := &history{titles: map[string][]*operation{}}
	for number := 1; lines.Scan(); number++ {
		if number == 1 {
			if err := json.Unmarshal(lines.Bytes(), &h.header); err != nil {
				return nil, fmt.Errorf("line 1: %w", err)
			}
			if h.header["history"] != 1.0 {
				return nil, fmt.Errorf("line 1: not a history of format 1")
			}
			continue
		}
		one := &operation{End: never}
		if err := json.Unmarshal(lines.Bytes(), one); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		var err error
		if one.after, err = parsePosition(one.After); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if one.Answer.at, err = parsePosition(one.Answer.Position); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		title := one.title()
		h.titles[title] = append(h.titles[title], one)
	}
	return h, lines.Err()
}

// shows says whether a read got an answer about the title, rather than one of the service: not ready, or the
// position is not there.
func (o *operation) shows() bool {
	return slices.Contains([]int{200, 404, 410}, o.Answer.Status)
}

func (o *operation) title() string {
	if o.Command != nil {
		return o.Command.ISBN
	}
	return cmp.Or(o.Read, o.Log)
}

// operations returns what is judged of a title's lines, in the order of the calls.
func operations(lines []*operation) []*operation {
	attempts := map[string][]*operation{}
	var judged []*operation
	for _, one := range lines {
		switch {
		case one.Command != nil:
			attempts[one.ID] = append(attempts[one.ID], one)
		case one.Log != "" || one.shows():
			copied := *one
			judged = append(judged, &copied)
		}
	}
	for _, those := range attempts {
		judged = append(judged, commands(those)...)
	}
	slices.SortStableFunc(judged, func(a, b *operation) int { return cmp.Compare(a.Call, b.Call) })
	setOldest(judged, lines)
	return judged
}

// commands turns the attempts of one command into operations.
//
// An attempt without an answer may have been what a later receipt is about: together they are one operation.
// If a later attempt is refused instead, the earlier ones had no effect, and never will.
func commands(attempts []*operation) []*operation {
	slices.SortStableFunc(attempts, func(a, b *operation) int { return cmp.Compare(a.Call, b.Call) })
	var found []*operation
	var open *operation
	done := false
	for _, one := range attempts {
		copied := *one
		switch one.Answer.What {
		case "unwritable":
			// Nothing was done
		case "unknown":
			if open == nil {
				copied.End, open = never, &copied
			}
		case "reused":
			// An attempt before had the effect, perhaps one without an answer. With several gateways a caller
			// repeats a command within one call
			if open == nil && !done {
				effect := copied
				effect.End, effect.Answer = never, answer{What: "unknown"}
				open = &effect
			}
			found = append(found, &copied)
		default:
			if one.Answer.What == "accepted" {
				if open != nil && !done {
					copied.Call = open.Call
				}
				done = true
			}
			open = nil
			found = append(found, &copied)
		}
	}
	if open != nil && !done {
		found = append(found, open)
	}
	for _, one := range found {
		one.repeated = len(found) > 1
	}
	return found
}

// setOldest finds the version that each read must show at least: that of the last event which its positions
// include, as receipts and the log say.
func setOldest(judged, lines []*operation) {
	var known []event
	for _, one := range lines {
		known = append(known, one.Events...)
		if one.Answer.What == "accepted" {
			known = append(known, one.Answer.event(one.ID))
		}
	}
	slices.SortFunc(known, func(a, b event) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, one := range judged {
		if one.Read == "" {
			continue
		}
		for _, at := range []position{one.after, one.Answer.at} {
			for partition, offset := range at {
				end, _ := slices.BinarySearchFunc(known, offset+1, func(e event, o int64) int { return cmp.Compare(e.Offset, o) })
				if end > 0 && known[end-1].Partition == partition {
					one.oldest = max(one.oldest, known[end-1].Version)
				}
			}
		}
	}
}

// A moment at which an operation was called or answered.
type moment struct {
	time   int64
	called bool
	id     int
}

// moments are in the order of their times. A call comes before a return of the same time.
func moments(judged []*operation) []moment {
	var all []moment
	for id, one := range judged {
		all = append(all, moment{one.Call, true, id}, moment{one.End, false, id})
	}
	slices.SortStableFunc(all, func(a, b moment) int {
		if c := cmp.Compare(a.time, b.time); c != 0 || a.called == b.called {
			return c
		}
		return map[bool]int{true: -1, false: 1}[a.called]
	})
	return all
}

// events returns calls and returns for porcupine. Calls without a return between them may have any order:
// porcupine is quickest if those that change nothing come first, then the others by version, and last those with
// an unknown outcome.
func events(judged []*operation) []porcupine.Event {
	moments := moments(judged)
	for begin := 0; begin < len(moments); {
		end := begin
		for end < len(moments) && moments[end].called {
			end++
		}
		slices.SortStableFunc(moments[begin:end], func(a, b moment) int {
			return cmp.Compare(judged[a.id].turn(), judged[b.id].turn())
		})
		begin = end + 1
	}
	clients := lanes(judged)
	var all []porcupine.Event
	for _, m := range moments {
		one := judged[m.id]
		if m.called {
			all = append(all, porcupine.Event{ClientId: clients[m.id], Kind: porcupine.CallEvent, Value: one, Id: m.id})
		} else {
			all = append(all, porcupine.Event{ClientId: clients[m.id], Kind: porcupine.ReturnEvent, Value: &one.Answer, Id: m.id})
		}
	}
	return all
}

func (o *operation) turn() int {
	switch o.Answer.What {
	case "accepted":
		return o.Answer.Version
	case "unknown":
		return math.MaxInt
	}
	return 0
}

// lanes gives operations that overlap different lines of the picture.
func lanes(judged []*operation) []int {
	var free []int64
	found := make([]int, len(judged))
	for id, one := range judged {
		lane := slices.IndexFunc(free, func(end int64) bool { return end < one.Call })
		if lane < 0 {
			lane, free = len(free), append(free, 0)
		}
		free[lane], found[id] = one.End, lane
	}
	return found
}

func (o *operation) String() string {
	switch {
	case o.Log != "":
		return "log"
	case o.Read != "":
		return fmt.Sprintf("%s reads from %s after %q", client(o.ID), o.API, o.After)
	}
	text := o.ID + " " + o.Command.Type
	if o.Command.User != nil {
		text += " " + *o.Command.User
	}
	if o.Command.Quantity != 0 {
		text += fmt.Sprintf(" %d", o.Command.Quantity)
	}
	return text
}

func client(id string) string {
	name, _, _ := strings.Cut(id, ".")
	return name
}

func (a *answer) String() string {
	switch {
	case a.What == "accepted":
		return fmt.Sprintf("%s, version %d at %s", a.Event, a.Version, a.Position)
	case a.Status != 0:
		return fmt.Sprintf("%d, version %d: %q, %d copies, %d lent, at %s", a.Status, a.Version, a.Title, a.Quantity, a.OnLoan, a.Position)
	}
	return cmp.Or(a.Code, a.What)
}

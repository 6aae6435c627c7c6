package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// line is one line of a backup: its header, a record, or the end. Binary values are base64, null is nil.
type line struct {
	Line      string
	Cluster   string
	TopicID   string `json:"topic_id"`
	Format    int
	Partition int
	Timestamp int64
	Key       *[]byte
	Value     *[]byte
	Headers   [][2]json.RawMessage
	Records   int64
}

// base64url is how origins write topic ids: they may not contain a slash.
var base64url = strings.NewReplacer("+", "-", "/", "_")

// backup has the Merkle tree of each partition (RFC 6962), as the stored hashes of sumdb/tlog.
type backup struct {
	store string
	sizes map[string]int64
	trees map[string][]tlog.Hash
}

func readBackup(name string) (*backup, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	read, records := &backup{sizes: map[string]int64{}, trees: map[string][]tlog.Hash{}}, int64(0)
	for lines := json.NewDecoder(plain); ; records++ {
		var next line
		if err := lines.Decode(&next); err != nil {
			return nil, fmt.Errorf("%s has no last line: %w", name, err)
		}
		switch {
		case next.Line == "header" && next.Format == 1 && read.store == "":
			read.store = next.Cluster + "/" + base64url.Replace(next.TopicID)
			records--
		case next.Line == "record" && read.store != "":
			if err := read.add(next); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		case next.Line == "end" && next.Records == records:
			return read, nil
		default:
			return nil, fmt.Errorf("%s: a wrong line %q after %d records", name, next.Line, records)
		}
	}
}

// add appends a record to the tree of its partition.
func (b *backup) add(record line) error {
	data, err := leafData(record)
	if err != nil {
		return err
	}
	partition := fmt.Sprint(record.Partition)
	size, tree := b.sizes[partition], b.trees[partition]
	hashes, err := tlog.StoredHashes(size, data, stored(tree))
	b.sizes[partition], b.trees[partition] = size+1, append(tree, hashes...)
	return err
}

// leafData is one event as bytes: its time, the lengths of all parts, then the parts: key, value, headers.
func leafData(record line) ([]byte, error) {
	parts := []*[]byte{record.Key, record.Value}
	for _, header := range record.Headers {
		var name string
		var value *[]byte
		if err := errors.Join(json.Unmarshal(header[0], &name), json.Unmarshal(header[1], &value)); err != nil {
			return nil, err
		}
		text := []byte(name)
		parts = append(parts, &text, value)
	}
	head, body := binary.BigEndian.AppendUint64(nil, uint64(record.Timestamp)), new(bytes.Buffer)
	for _, part := range parts {
		length := int32(-1) // of a part that is null
		if part != nil {
			length = int32(len(*part))
			body.Write(*part)
		}
		head = binary.BigEndian.AppendUint32(head, uint32(length))
	}
	return append(head, body.Bytes()...), nil
}

// leafParts undoes leafData: as many lengths as leave exactly the bytes of the parts.
func leafParts(leaf []byte) (parts [][]byte) {
	lengths, left := []int{}, len(leaf)-8
	for left > 0 && 12+4*len(lengths) <= len(leaf) {
		length := int(int32(binary.BigEndian.Uint32(leaf[8+4*len(lengths):])))
		lengths = append(lengths, max(0, length))
		left -= 4 + max(0, length)
	}
	if left != 0 {
		return nil
	}
	at := 8 + 4*len(lengths)
	for _, length := range lengths {
		parts, at = append(parts, leaf[at:at+length]), at+length
	}
	return parts
}

// check compares a checkpoint with the partition that its origin names: …/CLUSTER/TOPIC ID/PARTITION.
func (b *backup) check(signed checkpoint) error {
	cut := strings.LastIndex(signed.origin, "/")
	if cut < 0 || !strings.HasSuffix(signed.origin[:cut], "/"+b.store) {
		return fmt.Errorf("a checkpoint of another store: %s", signed.origin)
	}
	partition := signed.origin[cut+1:]
	if there := b.sizes[partition]; signed.size > there {
		return fmt.Errorf("partition %s is truncated: %d events were signed, %d exist", partition, signed.size, there)
	}
	root, err := tlog.TreeHash(signed.size, stored(b.trees[partition]))
	if err == nil && root != signed.root {
		err = fmt.Errorf("partition %s: the first %d events are not the signed ones", partition, signed.size)
	}
	return err
}

func stored(hashes []tlog.Hash) tlog.HashReaderFunc {
	return func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = hashes[index]
		}
		return found, nil
	}
}

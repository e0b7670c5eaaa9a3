package aged

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The manifest names the files that are the table, oldest first. It is replaced whole, so a crash leaves the old table or the
// new one, and files that it does not name are leftovers.
//
//	magic u32 | version u8 | table id 16 bytes | serial, next, count uvarint | count × (number u32, size u64, crc u32) | crc u32
const (
	manifestMagic   = 0x5342414d // "SBAM"
	manifestVersion = 1
	manifestName    = "MANIFEST"
	tempSuffix      = ".tmp"
	manifestHead    = 4 + 1 + 16
	listedBytes     = 4 + 8 + 4
)

type manifest struct {
	id     [16]byte
	serial uint64 // rises with every manifest
	next   uint32 // numbers from here on were never in a manifest
	files  []listed
}

// listed is a file as the manifest knows it; crc is the one that its footer ends with.
type listed struct {
	number uint32
	size   int64
	crc    uint32
}

func (m *manifest) encode() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, manifestMagic)
	b = append(b, manifestVersion)
	b = append(b, m.id[:]...)
	b = binary.AppendUvarint(b, m.serial)
	b = binary.AppendUvarint(b, uint64(m.next))
	b = binary.AppendUvarint(b, uint64(len(m.files)))
	for _, f := range m.files {
		b = le.AppendUint32(b, f.number)
		b = le.AppendUint64(b, uint64(f.size)) //nolint:gosec // a size is positive
		b = le.AppendUint32(b, f.crc)
	}
	return le.AppendUint32(b, checksum(0, b))
}

func decodeManifest(name string, b []byte) (*manifest, error) {
	le := binary.LittleEndian
	if len(b) < manifestHead+4 || le.Uint32(b) != manifestMagic {
		return nil, damaged(name, 0, "this is no manifest")
	}
	if b[4] != manifestVersion {
		return nil, fmt.Errorf("%s: format %d: %w", name, b[4], ErrForeign)
	}
	body := b[:len(b)-4]
	if le.Uint32(b[len(body):]) != checksum(0, body) {
		return nil, damaged(name, 0, "the checksum does not match")
	}
	m := &manifest{id: [16]byte(b[5:])}
	rest := body[manifestHead:]
	var head [3]uint64
	for i := range head {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, damaged(name, int64(len(body)-len(rest)), "the manifest is cut off")
		}
		head[i], rest = v, rest[n:]
	}
	m.serial, m.next = head[0], uint32(head[1]) //nolint:gosec // checked below
	if head[1] > 1<<32-1 || head[2] != uint64(len(rest)/listedBytes) || len(rest)%listedBytes != 0 {
		return nil, damaged(name, int64(len(body)-len(rest)), "the list of %d files has %d bytes", head[2], len(rest))
	}
	known := map[uint32]bool{}
	for ; len(rest) > 0; rest = rest[listedBytes:] {
		f := listed{number: le.Uint32(rest), size: int64(le.Uint64(rest[4:])), crc: le.Uint32(rest[12:])} //nolint:gosec // checked
		if f.size < footerBytes || f.number >= m.next || known[f.number] {
			return nil, damaged(name, int64(len(body)-len(rest)), "an impossible file %d of %d bytes", f.number, f.size)
		}
		known[f.number] = true
		m.files = append(m.files, f)
	}
	return m, nil
}

// fileName is the name of a file of entries, without folder.
func fileName(prefix string, number uint32) string {
	return fmt.Sprintf("%s%010d.aged", prefix, number)
}

// fileNumber is the inverse of fileName.
func fileNumber(prefix, name string) (number uint32, ok bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return 0, false
	}
	if digits, ok = strings.CutSuffix(digits, ".aged"); !ok || len(digits) != 10 {
		return 0, false
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return uint32(n), n < 1<<32 //nolint:gosec // checked
}

// readManifest returns nil where there is none.
func (t *Table) readManifest() ([]byte, error) {
	name := t.o.Prefix + manifestName
	f, err := t.o.FS.OpenFile(filepath.Join(t.o.Dir, name), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	return data, readFull(f, name, data, 0)
}

// writeManifest replaces the manifest. After a fault from the rename on nobody knows which one the disk has: the table then
// changes no file any more.
func (t *Table) writeManifest(data []byte) error {
	fs, final := t.o.FS, filepath.Join(t.o.Dir, t.o.Prefix+manifestName)
	temp := final + tempSuffix
	if err := fs.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := fs.OpenFile(temp, os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fs.Remove(temp))
	}
	if err = fs.Rename(temp, final); err == nil {
		err = fs.SyncDir(t.o.Dir)
	}
	if err != nil {
		t.broken = fmt.Errorf("the manifest is in doubt, open the table again: %w", err)
		return t.broken
	}
	return nil
}

package localblob

// Path is where a blob's file lies below a store's folder.
func Path(dir, tenant, hash string) string { return (&Store{dir: dir}).path(tenant, hash) }

// ReadTrailer exposes the decoder to the fuzzer: size and whether b is the trailer of a content of that size and hash.
func ReadTrailer(b []byte, size int64, hash string) (int64, error) {
	t, err := parseTrailer(b, size, hash)
	if err != nil {
		return 0, err
	}
	return t.size, nil
}

// SizeOf and FileSize are the two directions between the length of a content and of its file.
var (
	SizeOf   = sizeOf
	FileSize = fileSize
)

// Package localblob keeps blobs in files of one folder, which one process owns.
//
// Main path:
//
//	backend, err := localblob.Open(localblob.Options{Dir: "/var/lib/semabus/blobs"})
//	defer backend.Close()
//	store, err := blob.New(backend, blob.Options{})
//
// Layout below the folder:
//
//	lock                       held while the folder is open
//	tmp/N.put                  contents on their way in; what is found there on opening was never acknowledged and is removed
//	TENANT/AB/ABCD…            one blob: TENANT is the base32 of a hash of the tenant's name, AB… the content's SHA-256
//
// A blob's file is its content, followed by the SHA-256 of each block of 64 KiB, the content's SHA-256 and length, a magic
// and the SHA-256 of all that. A block is checked before a byte of it is handed out, so reading may begin anywhere and costs
// no more memory than a block and 32 bytes for each of the others. The time of the last touch is the file's.
//
// Guarantees beside those of blob/driver:
//
//   - A Put writes a temporary file, syncs it, renames it to its place and syncs the folder: after kill -9 or power loss the
//     blob is there and right, or not there. Content that is there already is written again, which mends a damaged file.
//   - No name given by a caller becomes part of a path.
//   - A disk that is full is RESOURCE_EXHAUSTED/DISK_FULL, another error of the file system UNAVAILABLE/READ_ONLY; either
//     concerns one call, leaves no file behind, and the next call is tried afresh.
package localblob

// Package aged is a durable table of keys whose entries end: the marks of localbroker's deduplication, and its ledger of what
// became of messages. Millions of keys, a few bytes of memory each, the rest in files that are dropped when their entries have
// ended. It has no clock, no goroutine and no log of its own: what was not flushed is the owner's to put again.
//
// # The main path
//
//	Put ─► memory, by the key's SipHash                                                     (memory.go, hash.go)
//	Flush ─► memory set aside ─► entries by hash in blocks of 4 KiB, index, footer ─► sync   (flush.go, writer.go, block.go, footer.go)
//	      ─► manifest: temporary file, sync, rename, sync of the folder ─► visible           (aged.go, manifest.go)
//	Get ─► memory ─► files, newest first: index in memory says no, or which block ─► read    (get.go, index.go, file.go, cache.go)
//	Compact ─► neighbouring files of one size become one, without what ended                 (plan.go, compact.go, cursor.go)
//	Expire ─► the oldest files go, when all of their entries have ended or they are too much (flush.go)
//
// # Guarantees
//
//   - What was put before a Flush that succeeded survives kill -9 and power loss. A crash at any point leaves the table as it
//     was before the change or after it; what else it leaves behind is removed by Open.
//   - The newest Put of a key wins, also one that ends earlier than what it replaces, also after merges.
//   - Damage is an error that names file and offset, never a wrong value and never an absent key: every byte is covered by a
//     CRC32C that is seeded with table, prefix and number of the file. A missing file or manifest is damage too.
//   - After a write or sync that failed, the same file is never written on: the next try makes a new one. When the manifest
//     itself is in doubt, the table changes nothing until it is opened again.
//   - Get and Put never wait for the disk work of Flush, Expire or Compact.
//
// # Figures
//
// Memory is 18 bits a key for the index, which is the filter too, and 12 bytes a block: 23 MiB for 10 million keys of 40 bytes
// with values of 16. An index takes an absent key for one that may be there in 0.024 % of cases, and Compact keeps the files at
// no more than maxFiles, so a Get of an absent key leaves the disk alone in more than 99 of 100 cases. What Flush wrote is
// written again log₄(full size / size of a flush) times, where full is 64 MiB or an eighth of the table, less what ended
// meanwhile. BenchmarkMemory, BenchmarkGetAbsent and their neighbours measure all of this.
package aged

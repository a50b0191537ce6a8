/* Fustor: a live picture of the metadata of a large file system.
 *
 * Written by cbindgen from the sources; docs/bindings.md is the manual.
 *
 * A function that can fail returns a FustorStatus, and fustor_last_error says more. Results come
 * last and are untouched on failure. Every pointer is checked for null. Bytes have a length and
 * need no terminating zero. A handle belongs to its caller until it is given to its _free.
 */

#ifndef FUSTOR_H
#define FUSTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A directory.
#define FUSTOR_KIND_DIRECTORY 0

// A regular file.
#define FUSTOR_KIND_FILE 1

// A symbolic link.
#define FUSTOR_KIND_SYMLINK 2

// A named pipe.
#define FUSTOR_KIND_FIFO 3

// A socket.
#define FUSTOR_KIND_SOCKET 4

// A block device.
#define FUSTOR_KIND_BLOCK_DEVICE 5

// A character device.
#define FUSTOR_KIND_CHAR_DEVICE 6

// Something else.
#define FUSTOR_KIND_UNKNOWN 7

// It is new, or other than it was.
#define FUSTOR_CHANGE_UPSERT 0

// It is gone, with all below it.
#define FUSTOR_CHANGE_REMOVE 1

// A directory has another path, with all below it.
#define FUSTOR_CHANGE_RENAME 2

// More than is told one by one: everything may differ.
#define FUSTOR_CHANGE_RESYNC 3

// What became of a call. Numbers are never given a new meaning.
typedef enum {
  // It was done.
  FUSTOR_STATUS_OK = 0,
  // There are no more entries.
  FUSTOR_STATUS_END = 1,
  // A pointer that must not be null is null.
  FUSTOR_STATUS_NULL = 2,
  // An argument makes no sense.
  FUSTOR_STATUS_ARGUMENT = 3,
  // Nothing is known at a path.
  FUSTOR_STATUS_NOT_FOUND = 4,
  // Something is no directory.
  FUSTOR_STATUS_NOT_A_DIRECTORY = 5,
  // The system refuses.
  FUSTOR_STATUS_IO = 6,
  // A callback ended a scan.
  FUSTOR_STATUS_CANCELLED = 7,
  // A mistake of this library.
  FUSTOR_STATUS_PANIC = 8,
} FustorStatus;

// The differences between two snapshots. To be used by one thread at a time.
typedef struct FustorChanges FustorChanges;

// The entries of an answer. To be used by one thread at a time; keeps its snapshot.
typedef struct FustorEntries FustorEntries;

// Observations, in the order in which they were added. To be used by one thread at a time.
typedef struct FustorEvents FustorEvents;

// One state of a view: immutable, usable from any thread.
typedef struct FustorSnapshot FustorSnapshot;

// A view of this process. Any thread may use it; calls wait for each other.
typedef struct FustorView FustorView;

// Bytes that are not terminated. They belong to the handle that they came from.
typedef struct {
  // The first of them; not null unless there are none.
  const uint8_t *data;
  // How many.
  size_t len;
} FustorBytes;

// What lstat said of an entry.
typedef struct {
  // Bytes.
  uint64_t size;
  // Last change of the contents, in nanoseconds since 1970.
  int64_t mtime_ns;
  // Last change of the inode, in nanoseconds since 1970.
  int64_t ctime_ns;
  // The inode.
  uint64_t inode;
  // Names of the inode.
  uint32_t nlink;
  // Permission bits.
  uint32_t mode;
  // Owner.
  uint32_t uid;
  // Group.
  uint32_t gid;
  // One of FUSTOR_KIND_*.
  uint8_t kind;
} FustorFacts;

// One entry. Its bytes belong to where it came from.
typedef struct {
  // The whole path within the view.
  FustorBytes path;
  // The last name of the path; none for the root.
  FustorBytes name;
  // What lstat said.
  FustorFacts facts;
  // Whether it may be incomplete: somebody may still be writing.
  bool suspect;
  // Whether it changed where nobody watched.
  bool blind_spot;
} FustorEntry;

// The totals of a path and everything below it.
typedef struct {
  // Entries that are not directories.
  uint64_t files;
  // Directories below the path.
  uint64_t directories;
  // Bytes.
  uint64_t bytes;
  // Newest mtime of a file, in nanoseconds since 1970; INT64_MIN without files.
  int64_t latest_mtime_ns;
  // Entries that may be incomplete.
  uint64_t suspects;
  // Directories that were never listed completely.
  uint64_t unlisted;
  // Directories that cannot be read.
  uint64_t uncovered;
  // Whether nothing is amiss with this answer.
  bool trusted;
} FustorStats;

// Whether a subtree has come to rest.
typedef struct {
  // Quiet for as long as was asked, with nothing open.
  bool settled;
  // How long it has been quiet, in nanoseconds; -1 when that is not known.
  int64_t quiet_for_ns;
  // Entries that may be incomplete.
  uint64_t suspects;
  // Directories that owe a listing.
  uint64_t gaps;
  // Directories that were never listed completely.
  uint64_t unlisted;
  // Directories that cannot be read.
  uint64_t uncovered;
} FustorSettled;

// What an entry must satisfy. Start from all zero, which every entry satisfies.
typedef struct {
  // A glob that the name matches, if there are bytes.
  FustorBytes name;
  // Bytes that the name contains, if there are any. Excludes `name`.
  FustorBytes contains;
  // Letters of kinds such as "f,l", if there are any: f file, d directory, l symlink, o other.
  FustorBytes kinds;
  // At least so many bytes.
  uint64_t min_size;
  // At most so many bytes; 0: no limit.
  uint64_t max_size;
  // The mtime is at or after this, in nanoseconds since 1970; 0: whenever.
  int64_t newer_ns;
  // The mtime is before this; 0: whenever.
  int64_t older_ns;
  // At most so many levels below; 0: no limit.
  uint32_t depth;
} FustorConditions;

// One difference. Its bytes belong to the changes that it came from.
typedef struct {
  // To which path something happened.
  FustorBytes path;
  // Of a rename: the path it had. Else without bytes.
  FustorBytes old_path;
  // One of FUSTOR_CHANGE_*.
  uint8_t op;
} FustorChange;

// How far a scan is.
typedef struct {
  // Entries seen.
  uint64_t entries;
  // Directories read.
  uint64_t directories;
  // Directories known and not read yet.
  uint64_t directories_left;
  // Directories that could not be read.
  uint64_t uncovered;
  // Nanoseconds since the beginning.
  uint64_t elapsed_ns;
} FustorScanProgress;

// How a scan is done. All zero is a good choice.
typedef struct {
  // Threads that read directories; 0: as many as there are processors, at most four.
  uint32_t workers;
  // Whether what is mounted below the root is read too.
  bool cross_file_systems;
  // Called from time to time and at the end, on the thread that scans; returns false to cancel. May be null. It must
  // not use the view.
  bool (*progress)(void*, const FustorScanProgress*);
  // Handed to `progress` as it is.
  void *context;
} FustorScanOptions;

// How observations fared.
typedef struct {
  // They changed the tree or its evidence.
  uint64_t applied;
  // Newer evidence is known.
  uint64_t stale;
  // Of something that is gone since.
  uint64_t buried;
  // Judged when a directory was read again.
  uint64_t queued;
  // They cannot be true, or there is no room.
  uint64_t refused;
} FustorVerdicts;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What the last failed call of this thread says of its failure; empty when none failed. The text stays until the next
// failure of this thread.
const char *fustor_last_error(void);

// The version of this library, such as "0.1.0".
const char *fustor_version(void);

// The next entry; FUSTOR_STATUS_END when there are no more. The bytes of the entry are valid until the next call with
// these entries.
//
// # Safety
// `entries` is a live handle that no other thread uses; `out` is writable.
FustorStatus fustor_entries_next(FustorEntries *entries,
                                 FustorEntry *out);

// Ends entries; null is nothing.
//
// # Safety
// `entries` is null or a live handle that nobody uses any more.
void fustor_entries_free(FustorEntries *entries);

// An empty list of observations.
//
// # Safety
// `out` is writable.
FustorStatus fustor_events_new(FustorEvents **out);

// Adds: an entry was found like this. `at_ns` is the wall clock in nanoseconds, read before it was looked at.
//
// # Safety
// `events` is a live handle that no other thread uses; `path` has `path_len` bytes; `facts` is readable.
FustorStatus fustor_events_add_upsert(FustorEvents *events,
                                      const uint8_t *path,
                                      size_t path_len,
                                      const FustorFacts *facts,
                                      int64_t at_ns);

// Adds: an entry is gone, with all that was below it.
//
// # Safety
// As fustor_events_add_upsert.
FustorStatus fustor_events_add_delete(FustorEvents *events,
                                      const uint8_t *path,
                                      size_t path_len,
                                      int64_t at_ns);

// Begins a listing of a directory, whose rows fustor_events_add_row adds; it ends with whatever else is done with the
// events. What a complete listing lacks is gone. `facts`: of the directory itself.
//
// # Safety
// As fustor_events_add_upsert.
FustorStatus fustor_events_add_listing(FustorEvents *events,
                                       const uint8_t *path,
                                       size_t path_len,
                                       const FustorFacts *facts,
                                       bool complete,
                                       int64_t at_ns);

// Adds a row to the listing that was begun last.
//
// # Safety
// As fustor_events_add_upsert.
FustorStatus fustor_events_add_row(FustorEvents *events,
                                   const uint8_t *name,
                                   size_t name_len,
                                   const FustorFacts *facts);

// Ends a list of observations; null is nothing.
//
// # Safety
// `events` is null or a live handle that nobody uses any more.
void fustor_events_free(FustorEvents *events);

// What is known of the entry at a path.
//
// # Safety
// `snapshot` is a live handle; `path` has `path_len` bytes; `out` is writable.
FustorStatus fustor_snapshot_lookup(const FustorSnapshot *snapshot,
                                    const uint8_t *path,
                                    size_t path_len,
                                    FustorFacts *out);

// The totals of a path and everything below it. They are kept, not counted. `now_ns` is the wall clock.
//
// # Safety
// As fustor_snapshot_lookup.
FustorStatus fustor_snapshot_stats(const FustorSnapshot *snapshot,
                                   const uint8_t *path,
                                   size_t path_len,
                                   int64_t now_ns,
                                   FustorStats *out);

// Whether nothing below a path changed for `quiet_sec` seconds before `now_ns`, and nothing may have changed unseen.
//
// # Safety
// As fustor_snapshot_lookup.
FustorStatus fustor_snapshot_settled(const FustorSnapshot *snapshot,
                                     const uint8_t *path,
                                     size_t path_len,
                                     uint64_t quiet_sec,
                                     int64_t now_ns,
                                     FustorSettled *out);

// The entries of one directory, by name.
//
// # Safety
// As fustor_snapshot_lookup.
FustorStatus fustor_snapshot_list(const FustorSnapshot *snapshot,
                                  const uint8_t *path,
                                  size_t path_len,
                                  FustorEntries **out);

// Everything below a directory, in path order, a directory before what it holds.
//
// # Safety
// As fustor_snapshot_lookup.
FustorStatus fustor_snapshot_walk(const FustorSnapshot *snapshot,
                                  const uint8_t *path,
                                  size_t path_len,
                                  FustorEntries **out);

// The entries below a directory that satisfy every condition.
//
// # Safety
// As fustor_snapshot_lookup; `conditions` is readable, and so are the bytes that it names.
FustorStatus fustor_snapshot_find(const FustorSnapshot *snapshot,
                                  const uint8_t *path,
                                  size_t path_len,
                                  const FustorConditions *conditions,
                                  FustorEntries **out);

// Ends a snapshot; null is nothing. Entries that came from it stay.
//
// # Safety
// `snapshot` is null or a live handle that nobody uses any more.
void fustor_snapshot_free(FustorSnapshot *snapshot);

// What differs between two snapshots of one view, renames first. More than 65 536 of them are told as one
// FUSTOR_CHANGE_RESYNC.
//
// # Safety
// `older` and `newer` are live handles; `out` is writable.
FustorStatus fustor_snapshot_changes(const FustorSnapshot *older,
                                     const FustorSnapshot *newer,
                                     FustorChanges **out);

// The next difference; FUSTOR_STATUS_END when there are no more. Its bytes are valid until the changes are freed.
//
// # Safety
// `changes` is a live handle that no other thread uses; `out` is writable.
FustorStatus fustor_changes_next(FustorChanges *changes,
                                 FustorChange *out);

// Ends changes; null is nothing.
//
// # Safety
// `changes` is null or a live handle that nobody uses any more.
void fustor_changes_free(FustorChanges *changes);

// An empty view.
//
// # Safety
// `out` is writable.
FustorStatus fustor_view_new(FustorView **out);

// Scans the directory tree at a path of this machine into a view, and says how much there was. What is gone since an
// earlier scan is removed. `options` and `out` may be null.
//
// # Safety
// `view` is a live handle; `path` has `path_len` bytes; `options` is null or readable; `out` is null or writable.
FustorStatus fustor_view_scan(const FustorView *view,
                              const uint8_t *path,
                              size_t path_len,
                              const FustorScanOptions *options,
                              FustorScanProgress *out);

// A source feeds the view from now on. `writers_watched`: it sees every change, so that silence proves rest.
//
// # Safety
// `view` is a live handle.
FustorStatus fustor_view_attach(const FustorView *view,
                                int64_t now_ns,
                                bool writers_watched);

// Nobody feeds the view any more.
//
// # Safety
// `view` is a live handle.
FustorStatus fustor_view_detach(const FustorView *view, int64_t now_ns);

// Applies observations together and empties their list. `now_ns` is the wall clock in nanoseconds, which must not run
// backwards. `out` may be null.
//
// # Safety
// `view` and `events` are live handles, and no other thread uses `events`; `out` is null or writable.
FustorStatus fustor_view_apply(const FustorView *view,
                               int64_t now_ns,
                               FustorEvents *events,
                               FustorVerdicts *out);

// The state as it is now: immutable, and made without copying the tree.
//
// # Safety
// `view` is a live handle; `out` is writable.
FustorStatus fustor_view_snapshot(const FustorView *view, FustorSnapshot **out);

// Ends a view; null is nothing. Its snapshots stay.
//
// # Safety
// `view` is null or a live handle that nobody uses any more.
void fustor_view_free(FustorView *view);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FUSTOR_H */

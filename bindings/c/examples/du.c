/* What takes how much room below a directory, as `du -b` says it, from one scan.
 *
 *     cc du.c $(pkg-config --cflags --libs fustor) -o du && ./du /srv/shared
 */
#include <fustor.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what) {
  fprintf(stderr, "du: %s: %s\n", what, fustor_last_error());
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: du DIRECTORY\n");
    return 2;
  }
  FustorView *view;
  FustorSnapshot *snapshot;
  FustorEntries *entries;
  if (fustor_view_new(&view) != FUSTOR_STATUS_OK) return fail("view");
  if (fustor_view_scan(view, (const uint8_t *)argv[1], strlen(argv[1]), NULL, NULL) !=
      FUSTOR_STATUS_OK)
    return fail("scan");
  if (fustor_view_snapshot(view, &snapshot) != FUSTOR_STATUS_OK) return fail("snapshot");
  if (fustor_snapshot_list(snapshot, (const uint8_t *)"/", 1, &entries) != FUSTOR_STATUS_OK)
    return fail("list");
  FustorEntry entry;
  while (fustor_entries_next(entries, &entry) == FUSTOR_STATUS_OK) {
    FustorStats stats;
    if (fustor_snapshot_stats(snapshot, entry.path.data, entry.path.len, 0, &stats) !=
        FUSTOR_STATUS_OK)
      return fail("stats");
    printf("%" PRIu64 "\t%" PRIu64 "\t", stats.bytes, stats.files);
    fwrite(entry.path.data, 1, entry.path.len, stdout);
    putchar('\n');
  }
  fustor_entries_free(entries);
  fustor_snapshot_free(snapshot);
  fustor_view_free(view);
  return 0;
}

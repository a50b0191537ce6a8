/* A directory scanned into a view, and every question to its snapshot. */
#include "check.h"

static int count(FustorEntries *entries, FustorEntry *last) {
  int n = 0;
  FustorEntry entry;
  FustorStatus status;
  while ((status = fustor_entries_next(entries, &entry)) == FUSTOR_STATUS_OK) {
    CHECK(entry.path.len > entry.name.len && entry.path.data[0] == '/');
    CHECK(memcmp(entry.path.data + entry.path.len - entry.name.len, entry.name.data,
                 entry.name.len) == 0);
    *last = entry;
    n++;
  }
  CHECK(status == FUSTOR_STATUS_END);
  /* The end stays the end, and the result is untouched. */
  FustorEntry kept = *last;
  CHECK(fustor_entries_next(entries, last) == FUSTOR_STATUS_END);
  CHECK(last->path.data == kept.path.data);
  fustor_entries_free(entries);
  return n;
}

static bool go_on(void *context, const FustorScanProgress *progress) {
  uint64_t *seen = (uint64_t *)context;
  CHECK(progress->entries >= *seen);
  *seen = progress->entries;
  return true;
}

static bool stop(void *context, const FustorScanProgress *progress) {
  (void)progress;
  ++*(int *)context;
  return false;
}

static void questions(const FustorSnapshot *snapshot) {
  FustorStats stats;
  OK(fustor_snapshot_stats(snapshot, TEXT("/"), 1, &stats));
  CHECK(stats.files == 702 && stats.directories == 2 && stats.bytes == 244655);
  CHECK(stats.unlisted == 0 && stats.uncovered == 0 && !stats.trusted);
  OK(fustor_snapshot_stats(snapshot, TEXT("/a"), 1, &stats));
  CHECK(stats.files == 700);

  FustorFacts facts;
  OK(fustor_snapshot_lookup(snapshot, TEXT("/top.txt"), &facts));
  CHECK(facts.kind == FUSTOR_KIND_FILE && facts.size == 5 && facts.nlink == 1);
  OK(fustor_snapshot_lookup(snapshot, TEXT("/odd \xff"), &facts));

  FustorEntry last;
  FustorEntries *entries;
  OK(fustor_snapshot_walk(snapshot, TEXT("/"), &entries));
  CHECK(count(entries, &last) == 704);
  OK(fustor_snapshot_list(snapshot, TEXT("/"), &entries));
  CHECK(count(entries, &last) == 3);

  FustorConditions conditions;
  memset(&conditions, 0, sizeof conditions);
  conditions.name.data = (const uint8_t *)"*9.csv";
  conditions.name.len = 6;
  conditions.kinds.data = (const uint8_t *)"f";
  conditions.kinds.len = 1;
  conditions.min_size = 600;
  OK(fustor_snapshot_find(snapshot, TEXT("/a"), &conditions, &entries));
  CHECK(count(entries, &last) == 10);
  conditions.contains = conditions.name;
  CHECK(fustor_snapshot_find(snapshot, TEXT("/a"), &conditions, &entries) ==
        FUSTOR_STATUS_ARGUMENT);
  CHECK(strstr(fustor_last_error(), "exclude") != NULL);

  FustorSettled settled;
  OK(fustor_snapshot_settled(snapshot, TEXT("/a"), 30, 1, &settled));
  CHECK(!settled.settled);
}

static void differences(const FustorSnapshot *before, const FustorSnapshot *after) {
  FustorChanges *changes;
  FustorChange change;
  OK(fustor_snapshot_changes(before, after, &changes));
  int fresh = 0, others = 0;
  while (fustor_changes_next(changes, &change) == FUSTOR_STATUS_OK) {
    CHECK(change.op == FUSTOR_CHANGE_UPSERT && change.old_path.len == 0);
    if (change.path.len == 4 && memcmp(change.path.data, "/new", 4) == 0)
      fresh++;
    else
      others++;
  }
  /* The root has new times. */
  CHECK(fresh == 1 && others <= 1);
  fustor_changes_free(changes);
  OK(fustor_snapshot_changes(after, after, &changes));
  CHECK(fustor_changes_next(changes, &change) == FUSTOR_STATUS_END);
  fustor_changes_free(changes);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  char root[4096];
  plant(argv[1], root, sizeof root);

  FustorView *view;
  OK(fustor_view_new(&view));
  uint64_t seen = 0;
  FustorScanOptions options;
  memset(&options, 0, sizeof options);
  options.progress = go_on;
  options.context = &seen;
  FustorScanProgress progress;
  OK(fustor_view_scan(view, TEXT(root), &options, &progress));
  CHECK(progress.entries == 704 && progress.directories == 3 && seen == 704);

  FustorSnapshot *before, *after;
  OK(fustor_view_snapshot(view, &before));
  write_file(root, "new", 3);
  OK(fustor_view_scan(view, TEXT(root), NULL, NULL));
  OK(fustor_view_snapshot(view, &after));
  int calls = 0;
  options.progress = stop;
  options.context = &calls;
  FustorStatus status = fustor_view_scan(view, TEXT(root), &options, &progress);
  /* A small tree may be through before anybody looks. */
  CHECK(status == FUSTOR_STATUS_CANCELLED || status == FUSTOR_STATUS_OK);
  CHECK(calls == 1);
  /* Snapshots outlive the view and do not change. */
  fustor_view_free(view);
  questions(before);
  differences(before, after);
  FustorFacts facts;
  CHECK(fustor_snapshot_lookup(before, TEXT("/new"), &facts) == FUSTOR_STATUS_NOT_FOUND);
  OK(fustor_snapshot_lookup(after, TEXT("/new"), &facts));
  /* Entries outlive their snapshot. */
  FustorEntries *entries;
  FustorEntry last;
  OK(fustor_snapshot_walk(after, TEXT("/a"), &entries));
  fustor_snapshot_free(after);
  CHECK(count(entries, &last) == 701);
  fustor_snapshot_free(before);
  return 0;
}

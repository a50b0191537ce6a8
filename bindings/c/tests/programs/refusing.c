/* Null pointers, nonsense and the texts of failures; results are untouched when a call fails. */
#include "check.h"
#include <pthread.h>

/* Something to point at. */
static int anchor;

#define NULL_REFUSED(call) CHECK((call) == FUSTOR_STATUS_NULL)

static void *other_thread(void *view) {
  /* The text of a failure belongs to the thread that failed. */
  CHECK(fustor_last_error()[0] == 0);
  CHECK(fustor_view_snapshot((const FustorView *)view, NULL) == FUSTOR_STATUS_NULL);
  CHECK(strcmp(fustor_last_error(), "out is null") == 0);
  return NULL;
}

static void nulls(FustorView *view, FustorSnapshot *snapshot, FustorEvents *events) {
  FustorEntries *untouched = (FustorEntries *)&anchor, *entries = untouched;
  FustorStats stats;
  FustorSettled settled;
  FustorFacts facts;
  FustorEntry entry;
  FustorChanges *changes;
  FustorChange change;
  FustorConditions conditions;
  memset(&conditions, 0, sizeof conditions);
  memset(&facts, 0, sizeof facts);
  NULL_REFUSED(fustor_view_new(NULL));
  NULL_REFUSED(fustor_events_new(NULL));
  NULL_REFUSED(fustor_view_scan(NULL, TEXT("/"), NULL, NULL));
  NULL_REFUSED(fustor_view_scan(view, NULL, 3, NULL, NULL));
  NULL_REFUSED(fustor_view_apply(NULL, 1, events, NULL));
  NULL_REFUSED(fustor_view_apply(view, 1, NULL, NULL));
  NULL_REFUSED(fustor_view_attach(NULL, 1, false));
  NULL_REFUSED(fustor_view_detach(NULL, 1));
  NULL_REFUSED(fustor_view_snapshot(view, NULL));
  NULL_REFUSED(fustor_snapshot_lookup(NULL, TEXT("/"), &facts));
  NULL_REFUSED(fustor_snapshot_lookup(snapshot, TEXT("/"), NULL));
  NULL_REFUSED(fustor_snapshot_stats(snapshot, NULL, 1, 1, &stats));
  NULL_REFUSED(fustor_snapshot_settled(NULL, TEXT("/"), 1, 1, &settled));
  NULL_REFUSED(fustor_snapshot_list(snapshot, TEXT("/"), NULL));
  NULL_REFUSED(fustor_snapshot_walk(NULL, TEXT("/"), &entries));
  NULL_REFUSED(fustor_snapshot_find(snapshot, TEXT("/"), NULL, &entries));
  NULL_REFUSED(fustor_entries_next(NULL, &entry));
  NULL_REFUSED(fustor_snapshot_changes(NULL, snapshot, &changes));
  NULL_REFUSED(fustor_snapshot_changes(snapshot, NULL, &changes));
  NULL_REFUSED(fustor_snapshot_changes(snapshot, snapshot, NULL));
  NULL_REFUSED(fustor_changes_next(NULL, &change));
  NULL_REFUSED(fustor_events_add_upsert(events, TEXT("/x"), NULL, 1));
  NULL_REFUSED(fustor_events_add_delete(NULL, TEXT("/x"), 1));
  NULL_REFUSED(fustor_events_add_listing(events, TEXT("/x"), NULL, true, 1));
  NULL_REFUSED(fustor_events_add_row(events, NULL, 1, &facts));
  CHECK(entries == untouched);
  fustor_view_free(NULL);
  fustor_snapshot_free(NULL);
  fustor_entries_free(NULL);
  fustor_changes_free(NULL);
  fustor_events_free(NULL);
}

static void nonsense(FustorView *view, FustorSnapshot *snapshot, FustorEvents *events) {
  FustorEntries *untouched = (FustorEntries *)&anchor, *entries = untouched;
  FustorFacts facts;
  memset(&facts, 0x55, sizeof facts);
  CHECK(fustor_events_add_upsert(events, TEXT("/x"), &facts, 1) == FUSTOR_STATUS_ARGUMENT);
  CHECK(fustor_snapshot_walk(snapshot, TEXT("/../x"), &entries) == FUSTOR_STATUS_ARGUMENT);
  CHECK(strstr(fustor_last_error(), "..") != NULL);
  CHECK(fustor_snapshot_walk(snapshot, TEXT(""), &entries) == FUSTOR_STATUS_ARGUMENT);
  CHECK(fustor_snapshot_walk(snapshot, TEXT("/none"), &entries) == FUSTOR_STATUS_NOT_FOUND);
  CHECK(fustor_snapshot_walk(snapshot, (const uint8_t *)"/", SIZE_MAX, &entries) ==
        FUSTOR_STATUS_ARGUMENT);
  CHECK(fustor_snapshot_lookup(snapshot, (const uint8_t *)"/a\0b", 4, &facts) ==
        FUSTOR_STATUS_ARGUMENT);
  CHECK(facts.size == 0x5555555555555555);
  FustorScanProgress progress = {1, 2, 3, 4, 5};
  CHECK(fustor_view_scan(view, TEXT("/no such directory"), NULL, &progress) == FUSTOR_STATUS_IO);
  CHECK(progress.entries == 1 && strstr(fustor_last_error(), "no such directory") != NULL);
  FustorConditions conditions;
  memset(&conditions, 0, sizeof conditions);
  conditions.kinds.data = (const uint8_t *)"z";
  conditions.kinds.len = 1;
  CHECK(fustor_snapshot_find(snapshot, TEXT("/"), &conditions, &entries) ==
        FUSTOR_STATUS_ARGUMENT);
  memset(&facts, 0, sizeof facts);
  facts.kind = FUSTOR_KIND_FILE;
  OK(fustor_events_add_upsert(events, TEXT("/file"), &facts, 1));
  OK(fustor_view_apply(view, 2, events, NULL));
  FustorSnapshot *later;
  OK(fustor_view_snapshot(view, &later));
  CHECK(fustor_snapshot_list(later, TEXT("/file"), &entries) == FUSTOR_STATUS_NOT_A_DIRECTORY);
  FustorView *other;
  FustorSnapshot *foreign;
  FustorChanges *changes;
  OK(fustor_view_new(&other));
  OK(fustor_view_snapshot(other, &foreign));
  CHECK(fustor_snapshot_changes(foreign, later, &changes) == FUSTOR_STATUS_ARGUMENT);
  fustor_snapshot_free(foreign);
  fustor_view_free(other);
  fustor_snapshot_free(later);
  CHECK(entries == untouched);
}

int main(void) {
  CHECK(strcmp(fustor_version(), "0.1.0") == 0);
  FustorView *view;
  FustorSnapshot *snapshot;
  FustorEvents *events;
  OK(fustor_view_new(&view));
  OK(fustor_view_snapshot(view, &snapshot));
  OK(fustor_events_new(&events));
  nulls(view, snapshot, events);
  nonsense(view, snapshot, events);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, other_thread, view) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  fustor_events_free(events);
  fustor_snapshot_free(snapshot);
  fustor_view_free(view);
  return 0;
}

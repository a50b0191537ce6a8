/* A view that is fed by hand: verdicts, listings, names that are none. */
#include "check.h"

static const int64_t S = 1000000000;

static FustorFacts file(uint64_t size) {
  FustorFacts facts;
  memset(&facts, 0, sizeof facts);
  facts.kind = FUSTOR_KIND_FILE;
  facts.size = size;
  facts.nlink = 1;
  return facts;
}

static uint64_t files(const FustorView *view) {
  FustorSnapshot *snapshot;
  FustorStats stats;
  OK(fustor_view_snapshot(view, &snapshot));
  OK(fustor_snapshot_stats(snapshot, TEXT("/"), 1, &stats));
  fustor_snapshot_free(snapshot);
  return stats.files;
}

static void verdicts(FustorView *view, FustorEvents *events) {
  FustorVerdicts told;
  FustorFacts facts = file(7);
  OK(fustor_view_attach(view, 1 * S, true));
  OK(fustor_events_add_upsert(events, TEXT("/d/x"), &facts, 2 * S));
  OK(fustor_view_apply(view, 3 * S, events, &told));
  CHECK(told.applied == 1 && told.stale == 0 && files(view) == 1);
  OK(fustor_events_add_upsert(events, TEXT("/d/x"), &facts, 1 * S));
  OK(fustor_events_add_delete(events, TEXT("/"), 3 * S));
  OK(fustor_view_apply(view, 4 * S, events, &told));
  CHECK(told.stale == 1 && told.refused == 1);
  OK(fustor_events_add_delete(events, TEXT("/d/x"), 5 * S));
  OK(fustor_view_apply(view, 6 * S, events, NULL));
  CHECK(files(view) == 0);
  /* The list is empty again. */
  OK(fustor_view_apply(view, 7 * S, events, &told));
  CHECK(told.applied + told.stale + told.buried + told.queued + told.refused == 0);
}

static void listings(FustorView *view, FustorEvents *events) {
  FustorFacts row = file(1), directory = file(0);
  directory.kind = FUSTOR_KIND_DIRECTORY;
  CHECK(fustor_events_add_row(events, TEXT("x"), &row) == FUSTOR_STATUS_ARGUMENT);
  CHECK(fustor_events_add_listing(events, TEXT("/l"), &row, true, 9 * S) == FUSTOR_STATUS_ARGUMENT);
  OK(fustor_events_add_listing(events, TEXT("/l"), &directory, true, 9 * S));
  for (int n = 0; n < 600; n++) {
    char name[16];
    snprintf(name, sizeof name, "%d", n);
    OK(fustor_events_add_row(events, TEXT(name), &row));
  }
  CHECK(fustor_events_add_row(events, TEXT("a/b"), &row) == FUSTOR_STATUS_ARGUMENT);
  CHECK(fustor_events_add_row(events, TEXT(""), &row) == FUSTOR_STATUS_ARGUMENT);
  OK(fustor_view_apply(view, 10 * S, events, NULL));
  CHECK(files(view) == 600);
  /* A complete listing proves what is gone. */
  OK(fustor_events_add_listing(events, TEXT("/l"), &directory, true, 300 * S));
  OK(fustor_events_add_row(events, TEXT("5"), &row));
  OK(fustor_view_apply(view, 301 * S, events, NULL));
  CHECK(files(view) == 1);
  OK(fustor_view_detach(view, 302 * S));
}

int main(void) {
  FustorView *view;
  FustorEvents *events;
  OK(fustor_view_new(&view));
  OK(fustor_events_new(&events));
  verdicts(view, events);
  listings(view, events);
  /* What was never applied is freed too. */
  FustorFacts facts = file(1);
  OK(fustor_events_add_upsert(events, TEXT("/never"), &facts, 1));
  fustor_events_free(events);
  fustor_view_free(view);
  return 0;
}

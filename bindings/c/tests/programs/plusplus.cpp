// The header serves C++ too: handles in smart pointers, a snapshot read by several threads.
#include "check.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

template <typename Handle, void (*end)(Handle *)> struct Ends {
  void operator()(Handle *handle) const { end(handle); }
};
using View = std::unique_ptr<FustorView, Ends<FustorView, fustor_view_free>>;
using Snapshot = std::unique_ptr<FustorSnapshot, Ends<FustorSnapshot, fustor_snapshot_free>>;
using Entries = std::unique_ptr<FustorEntries, Ends<FustorEntries, fustor_entries_free>>;

static std::vector<std::string> walk(const FustorSnapshot *snapshot) {
  FustorEntries *opened = nullptr;
  OK(fustor_snapshot_walk(snapshot, TEXT("/"), &opened));
  Entries entries(opened);
  std::vector<std::string> paths;
  FustorEntry entry;
  while (fustor_entries_next(entries.get(), &entry) == FUSTOR_STATUS_OK)
    paths.emplace_back(reinterpret_cast<const char *>(entry.path.data), entry.path.len);
  return paths;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  char root[4096];
  plant(argv[1], root, sizeof root);
  FustorView *made = nullptr;
  OK(fustor_view_new(&made));
  View view(made);
  OK(fustor_view_scan(view.get(), TEXT(root), nullptr, nullptr));
  FustorSnapshot *taken = nullptr;
  OK(fustor_view_snapshot(view.get(), &taken));
  Snapshot snapshot(taken);
  const std::vector<std::string> expected = walk(snapshot.get());
  CHECK(expected.size() == 704 && expected.front() == "/a");
  std::vector<std::thread> readers;
  for (int n = 0; n < 4; n++)
    readers.emplace_back([&] { CHECK(walk(snapshot.get()) == expected); });
  for (auto &reader : readers)
    reader.join();
}

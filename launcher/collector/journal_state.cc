#include "launcher/collector/journal_state.h"

#include <limits>

#include "absl/strings/str_cat.h"

namespace muster::collector {
namespace {

absl::Status Misfit(absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("a record does not fit to those before it: ", what));
}

// What an item costs in a record, with its tag and length.
template <typename Message>
size_t Cost(const Message& message) {
  return message.ByteSizeLong() + 8;
}

}  // namespace

absl::Status JournalState::Apply(const JournalRecord& record) {
  for (const JournalNode& node : record.nodes()) {
    if (node.id() != nodes_.size()) return Misfit("a node out of order");
    nodes_.push_back(node);
    streams_.emplace_back();
  }
  for (const JournalStream& change : record.streams()) {
    const absl::Status applied = ApplyStream(change);
    if (!applied.ok()) return applied;
  }
  return absl::OkStatus();
}

absl::Status JournalState::ApplyStream(const JournalStream& change) {
  if (change.node() >= nodes_.size()) return Misfit("an unknown node");
  DurableStream& stream =
      streams_[change.node()][{change.name().kind(), change.name().rank()}];
  if (change.stored() < stream.stored ||
      (stream.ended && (!change.ended() || change.stored() != stream.stored ||
                        change.gaps_size() > 0))) {
    return Misfit("a stream goes back");
  }
  stream.stored = change.stored();
  stream.ended = change.ended();
  stream.how = change.how();
  for (const JournalGap& gap : change.gaps()) {
    const uint64_t free_from =
        stream.gaps.empty()
            ? 0
            : stream.gaps.back().offset() + stream.gaps.back().length();
    constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
    if (gap.length() == 0 || gap.offset() < free_from ||
        gap.offset() > stream.position() ||
        gap.length() > kMost - stream.position()) {
      return Misfit("a gap out of order");
    }
    stream.gaps.push_back(gap);
    stream.gap_bytes += gap.length();
  }
  return absl::OkStatus();
}

std::vector<JournalRecord> JournalState::Snapshot() const {
  JournalRecord all;
  for (const JournalNode& node : nodes_) *all.add_nodes() = node;
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    for (const auto& [id, stream] : streams_[node]) {
      JournalStream change;
      change.set_node(node);
      change.mutable_name()->set_kind(id.first);
      change.mutable_name()->set_rank(id.second);
      change.set_stored(stream.stored);
      change.set_ended(stream.ended);
      change.set_how(stream.how);
      AddStream(std::move(change), stream.gaps, 0, &all);
    }
  }
  std::vector<JournalRecord> records = Split(std::move(all));
  records[0].set_snapshot_records(static_cast<uint32_t>(records.size()));
  return records;
}

void AddStream(JournalStream change, absl::Span<const JournalGap> gaps,
               uint64_t gap_bytes, JournalRecord* record) {
  while (gaps.size() > kMaxGapsAtOnce) {
    const absl::Span<const JournalGap> some = gaps.first(kMaxGapsAtOnce);
    gaps.remove_prefix(some.size());
    JournalStream& earlier = *record->add_streams();
    earlier.set_node(change.node());
    *earlier.mutable_name() = change.name();
    for (const JournalGap& gap : some) gap_bytes += gap.length();
    // What is stored before the last of them ends.
    earlier.set_stored(some.back().offset() + some.back().length() - gap_bytes);
    *earlier.mutable_gaps() = {some.begin(), some.end()};
  }
  *change.mutable_gaps() = {gaps.begin(), gaps.end()};
  record->add_streams()->Swap(&change);
}

std::vector<JournalRecord> Split(JournalRecord record) {
  std::vector<JournalRecord> pieces(1);
  if (record.ByteSizeLong() <= kMaxRecordBytes) {
    pieces[0] = std::move(record);
    return pieces;
  }
  size_t size = 0;
  const auto room = [&pieces, &size](size_t cost) -> JournalRecord& {
    if (size > 0 && size + cost > kMaxRecordBytes) {
      pieces.emplace_back();
      size = 0;
    }
    size += cost;
    return pieces.back();
  };
  for (JournalNode& node : *record.mutable_nodes()) {
    room(Cost(node)).add_nodes()->Swap(&node);
  }
  for (JournalStream& stream : *record.mutable_streams()) {
    room(Cost(stream)).add_streams()->Swap(&stream);
  }
  return pieces;
}

}  // namespace muster::collector

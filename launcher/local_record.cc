#include "launcher/local_record.h"

#include <utility>

#include "launcher/log.h"

namespace muster::launcher {

LocalRecord::LocalRecord(Keep keep) : keep_(std::move(keep)) {}

void LocalRecord::Write(RecordDocument document, std::string content) {
  RecordUpdate update;
  update.set_document(document);
  update.set_content(std::move(content));
  Add(update);
}

void LocalRecord::Append(std::string lines) {
  RecordUpdate update;
  update.set_document(RECORD_EVENTS);
  update.set_offset(events_end_);
  events_end_ += lines.size();
  update.set_content(std::move(lines));
  Add(update);
}

void LocalRecord::Add(const RecordUpdate& update) {
  const absl::Status kept = keep_(update);
  if (!kept.ok()) {
    spdlog::warn("the record of this run is incomplete: {}", kept.ToString());
  }
}

}  // namespace muster::launcher

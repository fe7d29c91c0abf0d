#include "launcher/files/upload_ledger.h"

#include <algorithm>

namespace muster::files {

void UploadLedger::Begin(uint64_t transfer, Upload upload) {
  bytes_left_ += upload.version.size - upload.acknowledged;
  uploads_[transfer].upload = std::move(upload);
}

void UploadLedger::Sent(uint64_t transfer, uint64_t window, uint64_t end) {
  const auto found = uploads_.find(transfer);
  if (found == uploads_.end()) return;
  found->second.sent.push_back({end, window});
  window_used_ += window;
}

void UploadLedger::Progress(uint64_t transfer, uint64_t offset) {
  const auto found = uploads_.find(transfer);
  if (found == uploads_.end()) return;
  Sending& sending = found->second;
  while (!sending.sent.empty() && sending.sent.front().first <= offset) {
    window_used_ -= sending.sent.front().second;
    sending.sent.pop_front();
  }
  uint64_t& acknowledged = sending.upload.acknowledged;
  const uint64_t reached = std::min(offset, sending.upload.version.size);
  if (reached <= acknowledged) return;
  bytes_left_ -= reached - acknowledged;
  acknowledged_ += reached - acknowledged;
  acknowledged = reached;
}

bool UploadLedger::GoesOn(uint64_t transfer, uint64_t offset) {
  const auto found = uploads_.find(transfer);
  if (found == uploads_.end() || found->second.upload.kept >= offset) {
    return false;
  }
  found->second.upload.kept = offset;
  Progress(transfer, offset);
  return true;
}

std::optional<UploadLedger::Upload> UploadLedger::End(uint64_t transfer) {
  const auto found = uploads_.find(transfer);
  if (found == uploads_.end()) return std::nullopt;
  for (const auto& [end, window] : found->second.sent) window_used_ -= window;
  Upload upload = std::move(found->second.upload);
  bytes_left_ -= upload.version.size - upload.acknowledged;
  uploads_.erase(found);
  return upload;
}

std::optional<UploadLedger::Upload> UploadLedger::Stored(uint64_t transfer) {
  std::optional<Upload> upload = End(transfer);
  if (upload) acknowledged_ += upload->version.size - upload->acknowledged;
  return upload;
}

std::vector<UploadLedger::Upload> UploadLedger::Clear() {
  std::vector<Upload> all;
  for (auto& [transfer, sending] : uploads_) {
    all.push_back(std::move(sending.upload));
  }
  uploads_.clear();
  window_used_ = 0;
  bytes_left_ = 0;
  return all;
}

}  // namespace muster::files

#include "launcher/collector/file_cache.h"

#include <utility>

namespace muster::collector {

std::shared_ptr<Fd> FileCache::Place::Use() {
  const std::lock_guard<std::mutex> lock(cache_.mutex_);
  if (file_) cache_.open_.splice(cache_.open_.end(), cache_.open_, where_);
  return file_;
}

void FileCache::Place::Put(std::shared_ptr<Fd> file) {
  Close();
  const std::lock_guard<std::mutex> lock(cache_.mutex_);
  while (cache_.open_.size() >= cache_.most_) {
    cache_.open_.front()->file_.reset();
    cache_.open_.pop_front();
  }
  file_ = std::move(file);
  where_ = cache_.open_.insert(cache_.open_.end(), this);
}

void FileCache::Place::Close() {
  const std::lock_guard<std::mutex> lock(cache_.mutex_);
  if (!file_) return;
  cache_.open_.erase(where_);
  file_.reset();
}

size_t FileCache::open_files() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return open_.size();
}

}  // namespace muster::collector

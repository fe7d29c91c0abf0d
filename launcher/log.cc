#include "launcher/log.h"

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "launcher/terminal/status_line.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/base_sink.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace muster::launcher {
namespace {

// "warning: " and "error: " in front of the text, nothing for the rest.
class Severity final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    std::string word;
    if (message.level == spdlog::level::warn) word = "warning: ";
    if (message.level >= spdlog::level::err) word = "error: ";
    out.append(word.data(), word.data() + word.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Severity>();
  }
};

std::unique_ptr<spdlog::formatter> Format(const std::string& pattern) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<Severity>('*').set_pattern(pattern);
  return formatter;
}

// Makes room for a line on a terminal.
class RoomSink final : public spdlog::sinks::base_sink<std::mutex> {
 private:
  void sink_it_(const spdlog::details::log_msg&) override {
    terminal::EraseStatusLine();
  }
  void flush_() override {}
};

// Keeps the lines until somebody takes them; the last kKept of them.
class TeeSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void SetTarget(std::function<void(const std::string&)> target) {
    std::lock_guard<std::mutex> lock(mutex_);
    target_ = std::move(target);
    if (!target_) return;
    for (const std::string& line : kept_) target_(line);
    kept_.clear();
  }

 private:
  static constexpr size_t kKept = 1000;

  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    std::string line(text.data(), text.size());
    if (target_) {
      target_(line);
      return;
    }
    kept_.push_back(std::move(line));
    if (kept_.size() > kKept) kept_.pop_front();
  }
  void flush_() override {}

  std::function<void(const std::string&)> target_;
  std::deque<std::string> kept_;
};

std::shared_ptr<TeeSink>& Tee() {
  static std::shared_ptr<TeeSink> tee = std::make_shared<TeeSink>();
  return tee;
}

}  // namespace

void StartLog(const std::string& host_name) {
  auto console = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  console->set_formatter(Format("muster %H:%M:%S %n: %*%v"));
  Tee()->set_formatter(Format("%Y-%m-%dT%H:%M:%S.%e%z %n: %*%v"));
  auto logger = std::make_shared<spdlog::logger>(
      host_name,
      spdlog::sinks_init_list{std::make_shared<RoomSink>(), console, Tee()});
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void TeeLog(std::function<void(const std::string&)> sink) {
  Tee()->SetTarget(std::move(sink));
}

}  // namespace muster::launcher

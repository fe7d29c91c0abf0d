// How fast files reach a collector:
//
//   files_bench serve DIRECTORY PORT [TOKEN]
//   files_bench send DIRECTORY PORT [TOKEN]
//
// `send` prints seconds, files and bytes. With a token, over mutual TLS.
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "launcher/files/files_link.h"
#include "launcher/files/uploader.h"
#include "rendezvous/token.h"
#include "rendezvous/transport.h"
#include "tests/launcher/collector/files_server.h"

namespace muster::files {
namespace {

rendezvous::Credentials CredentialsOf(const char* token) {
  if (token == nullptr) return rendezvous::Credentials::Insecure();
  const auto credentials =
      rendezvous::Credentials::FromToken(rendezvous::Token(token), "localhost");
  if (!credentials.ok()) abort();
  return *credentials;
}

int Serve(const std::string& directory, int port, const char* token) {
  collector::FilesServer server(
      directory, {.port = port, .credentials = CredentialsOf(token)});
  std::printf("%d\n", server.port());
  std::fflush(stdout);
  for (;;) pause();
}

int Send(const std::string& directory, int port, const char* token) {
  asio::io_context loop;
  auto guard = asio::make_work_guard(loop);
  Introduction introduction;
  introduction.set_run_id("run");
  std::atomic<uint64_t> transfers = 0;
  std::unique_ptr<FilesLink> link;
  UploadChannel channel(transfers,
                        [&] { asio::post(loop, [&] { link->Wake(); }); });
  Uploader uploader(
      channel, {{directory, "outputs/"}},
      {.on_done =
           [&](UploadResult result) {
             std::printf("%lu files, %lu bytes, %lu skipped, %lu unsent\n",
                         result.files, result.bytes, result.skipped.count,
                         result.unsent.count);
             for (const auto& file : result.unsent.shown) {
               std::printf("%s: %s\n", file.path.c_str(), file.reason.c_str());
             }
             asio::post(loop, [&] { guard.reset(); });
           },
       .on_notice = [](const std::string&) {}});
  link = std::make_unique<FilesLink>(
      loop,
      rendezvous::Dial("127.0.0.1", port, CredentialsOf(token),
                       rendezvous::ChannelUse::kBulk),
      introduction,
      FilesLink::Callbacks{
          .on_open = [&](uint64_t window) { channel.Open(window); },
          .on_message =
              [&](const FileDown& message) {
                channel.Take(message);
                return true;
              },
          .on_broken =
              [&](const grpc::Status& status) {
                std::printf("broken: %s\n", status.error_message().c_str());
                channel.Broken();
              },
          .on_failed =
              [&](const grpc::Status& status) {
                std::printf("failed: %s\n", status.error_message().c_str());
                exit(1);
              },
          .next = [&](FileUp* message) { return channel.Next(message); }});
  const auto begin = std::chrono::steady_clock::now();
  link->Start();
  uploader.Start();
  uploader.Finish({});
  loop.run();
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - begin;
  std::printf("%.2f s\n", took.count());
  link.reset();
  return 0;
}

}  // namespace
}  // namespace muster::files

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  static_cast<void>(muster::rendezvous::PrepareProcess());
  const std::string mode = argv[1];
  const char* const token = argc > 4 ? argv[4] : nullptr;
  return mode == "serve" ? muster::files::Serve(argv[2], atoi(argv[3]), token)
                         : muster::files::Send(argv[2], atoi(argv[3]), token);
}

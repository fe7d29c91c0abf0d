#include "rendezvous/reach.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rendezvous/deadline_socket.h"
#include "rendezvous/host_port.h"
#include "rendezvous/openssl_pointers.h"

namespace muster::rendezvous {
namespace {

using AddressList = std::unique_ptr<addrinfo, FreeWith<freeaddrinfo>>;

// The addresses of `host`, or an error of getaddrinfo.
int LookUp(const std::string& host, int port, int flags, AddressList* list) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  list->reset(error == 0 ? found : nullptr);
  return error;
}

std::string ConnectProblem(int error) {
  switch (error) {
    case ECONNREFUSED:
      return "TCP: connection refused (nothing listens there yet?)";
    case EHOSTUNREACH:
    case ENETUNREACH:
      return absl::StrCat("TCP: ", strerror(error),
                          " (is it the right address, and are both nodes in "
                          "one network?)");
    default:
      return absl::StrCat("TCP: ", strerror(error));
  }
}

// ---- TLS over it ----

// A client context with our certificates, or null.
SslCtxPtr MakeContext(const Credentials& credentials) {
  SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return nullptr;
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const auto read = [](const std::string& pem) {
    return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  };
  const auto next = [](const BioPtr& bio) {
    return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  };

  BioPtr own = read(credentials.CertificatePem());
  X509Ptr leaf = next(own);
  BioPtr key_bio = read(credentials.KeyPem());
  KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  if (leaf == nullptr || key == nullptr ||
      SSL_CTX_use_certificate(context.get(), leaf.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1) {
    return nullptr;
  }
  while (X509Ptr link = next(own)) {
    SSL_CTX_add1_chain_cert(context.get(), link.get());
  }
  BioPtr authorities = read(credentials.AuthorityPem());
  while (X509Ptr authority = next(authorities)) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority.get());
  }
  ERR_clear_error();
  return context;
}

// Job: the client's side of one TLS handshake and the first bytes after it.
// OpenSSL works on memory, so that the deadline and SIGPIPE stay with
// DeadlineSocket.
class TlsProbe {
 public:
  TlsProbe(DeadlineSocket* socket, const Credentials& credentials)
      : socket_(socket),
        credentials_(credentials),
        context_(MakeContext(credentials)),
        ssl_(context_ ? SSL_new(context_.get()) : nullptr) {}

  // Fills in what there is to say.
  void Run(const std::string& address, Reach* reach) {
    if (ssl_ == nullptr || !Prepare(address)) {
      reach->text = "TLS: OpenSSL does not take this agent's certificates";
      return;
    }
    Io io = Pump([this] { return SSL_connect(ssl_.get()); });
    const bool shaken = io == Io::kDone;
    // In TLS 1.3 the server judges our certificate only now. If it takes it,
    // its HTTP/2 settings follow at once.
    char byte;
    if (shaken) io = Pump([&] { return SSL_read(ssl_.get(), &byte, 1); });
    if (io == Io::kDone) {
      reach->stage = Stage::kAuthenticated;
      reach->text = "reached and authenticated";
      return;
    }
    Explain(io, shaken, reach);
  }

 private:
  bool Prepare(const std::string& address) {
    // The BIOs become the session's.
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    static constexpr unsigned char kAlpn[] = {2, 'h', '2'};
    SSL_set_alpn_protos(ssl_.get(), kAlpn, sizeof(kAlpn));
    X509_VERIFY_PARAM* expected = SSL_get0_param(ssl_.get());
    const std::string& name =
        credentials_.ServerName().empty() ? address : credentials_.ServerName();
    if (X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1) return true;
    ERR_clear_error();
    return SSL_set_tlsext_host_name(ssl_.get(), name.c_str()) == 1 &&
           X509_VERIFY_PARAM_set1_host(expected, name.c_str(), 0) == 1;
  }

  // Sends what OpenSSL has to say, alerts too.
  Io Flush() {
    char* data = nullptr;
    BIO* out = SSL_get_wbio(ssl_.get());
    const auto size = BIO_get_mem_data(out, &data);
    if (size <= 0) return Io::kDone;
    const Io io = socket_->Send(data, static_cast<size_t>(size));
    BIO_reset(out);
    return io;
  }

  // Repeats `step` with more bytes from the peer until it succeeds or cannot.
  template <typename Step>
  Io Pump(Step step) {
    while (true) {
      const int result = step();
      const int why = SSL_get_error(ssl_.get(), result);
      const Io sent = Flush();
      if (result == 1) return Io::kDone;
      if (why == SSL_ERROR_ZERO_RETURN) return Io::kClosed;
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        return Io::kError;
      }
      if (sent == Io::kTimeout) return sent;
      // A failed send is no reason to stop: what the peer said before it
      // closed is still to be read.
      char buffer[4096];
      size_t size = 0;
      const Io io = socket_->Receive(buffer, sizeof(buffer), &size);
      if (io != Io::kDone) return io;
      constexpr char kAlert = 21;
      constexpr char kHandshake = 22;
      if (!heard_ && buffer[0] != kHandshake && buffer[0] != kAlert) {
        not_tls_ = true;
        return Io::kError;
      }
      heard_ = true;
      BIO_write(SSL_get_rbio(ssl_.get()), buffer, static_cast<int>(size));
    }
  }

  void Explain(Io io, bool shaken, Reach* reach) {
    const bool files = credentials_.kind() == Credentials::Kind::kFiles;
    if (not_tls_) {
      reach->not_tls = true;
      reach->text =
          "TLS: the peer speaks something else (another program, or a "
          "coordinator started with --insecure)";
    } else if (io == Io::kClosed && !shaken) {
      reach->text = "TLS: the peer closed the connection during the handshake";
    } else if (io == Io::kClosed) {
      // gRPC's server sends no alert: with files this is what a refusal looks
      // like. With tokens, the peer's certificate has proved that both hold
      // the same one, so this is not about that.
      reach->wrong_token = files;
      reach->text = files ? "TLS: the coordinator does not accept the "
                            "certificate in --tls-cert"
                          : "TLS: the peer closed the connection after the "
                            "handshake (the coordinator is leaving?)";
    } else if (io == Io::kError) {
      ExplainOpenssl(files, reach);
    }
  }

  void ExplainOpenssl(bool files, Reach* reach) {
    const auto code = ERR_peek_error();
    const char* reason = ERR_reason_error_string(code);
    const int64_t verdict = SSL_get_verify_result(ssl_.get());
    const int alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;
    if (verdict != X509_V_OK) {
      reach->wrong_token = true;
      reach->text =
          files ? absl::StrCat(
                      "TLS: the coordinator's certificate is not "
                      "acceptable with --tls-ca: ",
                      X509_verify_cert_error_string(verdict))
                : "TLS: the coordinator's token differs from this agent's";
    } else if (alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_BAD_CERTIFICATE ||
               alert == SSL_AD_CERTIFICATE_UNKNOWN ||
               alert == SSL_AD_CERTIFICATE_REQUIRED) {
      reach->wrong_token = true;
      reach->text =
          absl::StrCat("TLS: the coordinator does not accept this agent's ",
                       files ? "certificate" : "token", " (", reason, ")");
    } else {
      reach->text = absl::StrCat(
          "TLS: ", reason != nullptr ? reason : strerror(socket_->error()));
    }
    ERR_clear_error();
  }

  DeadlineSocket* const socket_;
  const Credentials& credentials_;
  const SslCtxPtr context_;
  const SslPtr ssl_;
  bool heard_ = false;    // the peer's first record looked like TLS
  bool not_tls_ = false;  // it did not
};

void Probe(const std::string& address, int port, const Credentials& credentials,
           Duration timeout, Reach* reach) {
  const std::string seconds = absl::StrFormat("%gs", Seconds(timeout));
  AddressList list;
  if (LookUp(address, port, AI_NUMERICHOST, &list) != 0) {
    reach->text = "not a numeric address";
    return;
  }
  reach->stage = Stage::kResolved;
  const int fd =
      socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    reach->text = ConnectProblem(errno);
    return;
  }
  DeadlineSocket socket(fd, std::chrono::steady_clock::now() + timeout);
  switch (socket.Connect(list->ai_addr, list->ai_addrlen)) {
    case Io::kDone:
      break;
    case Io::kTimeout:
      reach->text = absl::StrCat("TCP: no answer within ", seconds,
                                 " (a firewall, or the node is down?)");
      return;
    default:
      reach->text = ConnectProblem(socket.error());
      return;
  }
  reach->stage = Stage::kConnected;
  if (!credentials.secure()) {
    reach->text = "TCP works";
    return;
  }
  ERR_clear_error();
  TlsProbe tls(&socket, credentials);
  reach->text = absl::StrCat("TLS: no answer within ", seconds,
                             " (another program, or a busy coordinator?)");
  tls.Run(address, reach);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Resolve(const std::string& host,
                                                 int port) {
  AddressList list;
  const int error = LookUp(host, port, 0, &list);
  if (error != 0) {
    const std::string text = absl::StrCat(
        "cannot resolve ", host, " (of ", host, ":", port,
        "): ", error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    if (error == EAI_NONAME || error == EAI_NODATA) {
      return absl::NotFoundError(text);
    }
    if (error == EAI_AGAIN) return absl::UnavailableError(text);
    return absl::InternalError(text);
  }
  std::vector<std::string> addresses;
  for (const addrinfo* entry = list.get(); entry; entry = entry->ai_next) {
    char text[NI_MAXHOST];
    if (getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof(text),
                    nullptr, 0, NI_NUMERICHOST) == 0 &&
        std::find(addresses.begin(), addresses.end(), text) ==
            addresses.end()) {
      addresses.push_back(text);
    }
  }
  if (addresses.empty()) {
    return absl::NotFoundError(absl::StrCat(host, " has no usable address"));
  }
  return addresses;
}

Reach ProbeEndpoint(const std::string& address, int port,
                    const Credentials& credentials, Duration timeout) {
  Reach reach;
  Probe(address, port, credentials, timeout, &reach);
  reach.text = absl::StrCat(HostPort(address, port), ": ", reach.text);
  return reach;
}

}  // namespace muster::rendezvous

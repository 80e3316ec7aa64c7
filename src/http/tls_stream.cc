#include "http/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tidemill::http {
namespace {

using base::Code;
using base::fail;
using host::IoResult;

constexpr std::size_t record_bytes_max = 16U << 10;

}  // namespace

std::string tls_error_text() {
    std::array<char, 256> text{};
    const auto error = ERR_get_error();
    ERR_clear_error();
    if (error == 0) {
        return "the connection broke";
    }
    ERR_error_string_n(error, text.data(), text.size());
    return text.data();
}

TlsStream::TlsStream(std::unique_ptr<host::Stream> inner, SslHandle ssl)
    : Stream(*inner),
      inner_(std::move(inner)),
      ssl_(std::move(ssl)),
      from_network_(BIO_new(BIO_s_mem())),
      to_network_(BIO_new(BIO_s_mem())),
      flusher_(inner_->loop(), 2) {
    CHECK(from_network_ != nullptr && to_network_ != nullptr);
    SSL_set_bio(ssl_.get(), from_network_, to_network_);
}

TlsStream::~TlsStream() = default;

bool TlsStream::feed() {
    std::array<char, record_bytes_max> bytes;
    last_ = inner_->try_read(bytes.data(), bytes.size());
    if (!last_.ok()) {
        return false;
    }
    CHECK(BIO_write(from_network_, bytes.data(), static_cast<int>(last_.bytes)) ==
          static_cast<int>(last_.bytes));
    return true;
}

bool TlsStream::drain() {
    for (;;) {
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(to_network_, &bytes);
        if (size <= 0) {
            return true;
        }
        const auto wrote =
            inner_->try_write(std::string_view(bytes, static_cast<std::size_t>(size)));
        if (!wrote.ok()) {
            broken_ = broken_ || wrote.kind == IoResult::Kind::failed;
            return broken_;
        }
        std::array<char, record_bytes_max> sink;
        for (std::size_t left = wrote.bytes; left > 0;) {
            left -= static_cast<std::size_t>(
                BIO_read(to_network_, sink.data(), static_cast<int>(std::min(left, sink.size()))));
        }
    }
}

void TlsStream::begin_flush() {
    flushing_ = true;
    CHECK(flusher_.spawn(flush_later()).has_value());
}

async::Task<void> TlsStream::flush_later() {
    while (!drain()) {
        co_await inner_->writable();
    }
    flushing_ = false;
    write_edge_.signal();  // the writer goes on from here, and may begin the next flush
}

async::Task<base::Status> TlsStream::handshake(base::Instant deadline) {
    inner_->set_read_deadline(deadline);
    inner_->set_write_deadline(deadline);
    for (;;) {
        const int done = SSL_do_handshake(ssl_.get());
        while (!drain()) {
            if (deadline <= loop().now()) {
                co_return fail(Code::deadline, "tls: the handshake took too long");
            }
            co_await inner_->writable();
        }
        if (done == 1) {
            break;
        }
        if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ || broken_) {
            const bool certificate = SSL_get_verify_result(ssl_.get()) != X509_V_OK;
            const std::string why =
                certificate ? X509_verify_cert_error_string(SSL_get_verify_result(ssl_.get()))
                            : tls_error_text();
            co_return fail(certificate ? Code::denied : Code::invalid, "tls: {}", why);
        }
        while (!feed()) {
            if (last_.kind == IoResult::Kind::deadline) {
                co_return fail(Code::deadline, "tls: the handshake took too long");
            }
            if (last_.kind != IoResult::Kind::blocked) {
                co_return fail(Code::unavailable, "tls: the peer closed during the handshake");
            }
            co_await inner_->readable();
        }
    }
    inner_->set_read_deadline(base::Instant::never());
    inner_->set_write_deadline(base::Instant::never());
    co_return base::ok;
}

IoResult TlsStream::try_readv(std::span<const host::MutableBuffer> buffers) {
    std::size_t total = 0;
    for (const auto& buffer : buffers) {
        std::size_t filled = 0;
        while (filled < buffer.size) {
            ERR_clear_error();
            const int got =
                SSL_read(ssl_.get(), buffer.data + filled,
                         static_cast<int>(std::min(buffer.size - filled, record_bytes_max)));
            if (got > 0) {
                filled += static_cast<std::size_t>(got);
                continue;
            }
            const int error = SSL_get_error(ssl_.get(), got);
            total += filled;
            if (error == SSL_ERROR_WANT_READ) {
                if (feed()) {
                    total -= filled;
                    continue;
                }
                if (total > 0) {
                    return {IoResult::Kind::done, total};
                }
                // An end without close_notify is a cut: nobody vouched that this was all.
                return last_.kind == IoResult::Kind::eof ? IoResult{IoResult::Kind::failed} : last_;
            }
            if (total > 0) {
                return {IoResult::Kind::done, total};
            }
            return {error == SSL_ERROR_ZERO_RETURN ? IoResult::Kind::eof : IoResult::Kind::failed};
        }
        total += filled;
    }
    return {IoResult::Kind::done, total};
}

IoResult TlsStream::try_writev(std::span<const host::ConstBuffer> buffers) {
    if (write_expired()) {
        return {IoResult::Kind::deadline};
    }
    if (flushing_) {
        write_edge_.drained();
        return {IoResult::Kind::blocked};
    }
    std::size_t total = 0;
    for (const auto& buffer : buffers) {
        if (buffer.size == 0) {
            continue;
        }
        const std::size_t size = std::min(buffer.size, record_bytes_max);
        ERR_clear_error();
        const int put = SSL_write(ssl_.get(), buffer.data, static_cast<int>(size));
        if (put <= 0) {
            return total > 0 ? IoResult{IoResult::Kind::done, total}
                             : IoResult{IoResult::Kind::failed};
        }
        total += static_cast<std::size_t>(put);
        if (!drain()) {
            begin_flush();
            break;
        }
        if (static_cast<std::size_t>(put) < buffer.size) {
            break;
        }
    }
    if (broken_) {
        return {IoResult::Kind::failed};
    }
    return {IoResult::Kind::done, total};
}

bool TlsStream::quiet() {
    return inner_->quiet() && SSL_pending(ssl_.get()) == 0;
}

void TlsStream::shutdown_write() {
    SSL_shutdown(ssl_.get());
    if (drain()) {
        inner_->shutdown_write();
    } else if (!flushing_) {
        begin_flush();
    }
}

}  // namespace tidemill::http

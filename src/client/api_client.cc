#include "client/api_client.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace tidemill::client {
namespace {

using base::Code;
using base::fail;

Code code_of(int status) {
    switch (status) {
        case 400:
        case 405:
        case 413:
        case 415:
        case 422:
            return Code::invalid;
        case 401:
        case 403:
            return Code::denied;
        case 404:
            return Code::not_found;
        case 409:
            return Code::conflict;
        case 410:
            return Code::expired;
        case 429:
        case 507:
            return Code::exhausted;
        case 504:
            return Code::deadline;
        default:
            return Code::unavailable;
    }
}

}  // namespace

base::Error error_of(const Reply& reply) {
    std::string message;
    if (const auto body = wire::parse_json(reply.body)) {
        if (const auto text = wire::JsonReader(*body).at("message").string()) {
            message = *text;
        }
    }
    if (message.empty()) {
        message = reply.body.empty() ? fmt::format("the server answered {}", reply.status)
                                     : std::string(base::trim(reply.body.substr(0, 2'000)));
    }
    return {code_of(reply.status), std::move(message)};
}

ApiClient::ApiClient(host::Host& host, Endpoint endpoint, MakeTls make_tls)
    : host_(host), endpoint_(std::move(endpoint)), make_tls_(std::move(make_tls)) {}

void ApiClient::add_identity(http::ClientRequest& request) const {
    request.host = endpoint_.address.empty() ? "localhost" : endpoint_.address;
    if (!endpoint_.token.empty()) {
        request.headers.set("Authorization", "Bearer " + endpoint_.token);
    }
    request.headers.set("User-Agent", "tidemill");
}

async::Task<base::Result<http::ClientConnection*>> ApiClient::connection(base::Instant deadline) {
    if (connection_ && connection_->reusable()) {
        co_return connection_.get();
    }
    connection_.reset();
    host::Address address = host::UnixAddress{endpoint_.socket_path};
    if (endpoint_.socket_path.empty()) {
        if (!tls_) {
            CO_TRY(tls_, make_tls_(endpoint_.ca_pem, endpoint_.certificate_pem, endpoint_.key_pem));
        }
        auto parsed = host::parse_address(endpoint_.address);
        if (!parsed) {
            const auto colon = endpoint_.address.rfind(':');
            const auto port = colon == std::string::npos
                                  ? std::optional<std::uint16_t>(443)
                                  : base::parse_number<std::uint16_t>(
                                        std::string_view(endpoint_.address).substr(colon + 1));
            CO_TRY(auto found, co_await host_.resolver.resolve(endpoint_.server_name, deadline));
            found.front().port = port.value_or(443);
            parsed = found.front();
        }
        address = *parsed;
    }
    auto opened = co_await http::ClientConnection::open(host_, address, tls_.get(),
                                                        endpoint_.server_name, deadline);
    if (!opened) {
        if (opened.error().code == Code::unavailable) {
            co_return fail(Code::unavailable,
                           "nobody answers at {} ({}): {}. Is it running? tidemill up",
                           host::to_string(address), endpoint_.origin, opened.error().message);
        }
        co_return std::unexpected(std::move(opened).error());
    }
    connection_ = *std::move(opened);
    co_return connection_.get();
}

async::Task<base::Result<Reply>> ApiClient::call(std::string method, std::string target,
                                                 std::string body, CallOptions options) {
    const auto deadline = host_.loop.now() + options.limit;
    const bool had_connection = connection_ && connection_->reusable();
    for (int attempt = 0;; ++attempt) {
        CO_TRY(auto* const connection, co_await this->connection(deadline));
        http::ClientRequest request;
        request.method = method;
        request.target = target;
        request.body = body;
        request.headers.set("Accept", options.accept);
        if (!body.empty()) {
            request.headers.set("Content-Type", options.content_type);
        }
        add_identity(request);
        auto response = co_await connection->send(std::move(request), deadline);
        if (!response) {
            connection_.reset();
            // A kept connection that the server closed meanwhile: reading again is always safe.
            if (attempt == 0 && had_connection && method == "GET" &&
                response.error().code == Code::unavailable) {
                continue;
            }
            co_return std::unexpected(std::move(response).error());
        }
        auto read = co_await response->body().read_all(options.body_bytes_max);
        if (!read) {
            connection_.reset();
            co_return std::unexpected(std::move(read).error());
        }
        Reply reply;
        reply.status = response->status;
        reply.headers = std::move(response->headers);
        reply.body = *std::move(read);
        co_return reply;
    }
}

async::Task<base::Result<wire::Json>> ApiClient::json(std::string method, std::string target,
                                                      std::string body, CallOptions options) {
    CO_TRY(const auto reply,
           co_await call(std::move(method), std::move(target), std::move(body), options));
    if (!reply.ok()) {
        co_return std::unexpected(error_of(reply));
    }
    wire::JsonLimits limits;
    limits.bytes_max = options.body_bytes_max;
    limits.nodes_max = 10'000'000;
    co_return wire::parse_json(reply.body, limits);
}

async::Task<base::Status> ApiClient::stream(http::ClientRequest request, CallOptions options,
                                            std::function<bool(std::string_view line)> line) {
    const auto next_limit = [&] {
        return options.limit.count() == 0 ? base::Instant::never()
                                          : host_.loop.now() + options.limit;
    };
    CO_TRY(auto* const connection,
           co_await this->connection(host_.loop.now() + std::chrono::seconds(30)));
    request.headers.set("Accept", options.accept);
    if (request.body_source || !request.body.empty()) {
        request.headers.set("Content-Type", options.content_type);
    }
    add_identity(request);
    auto response = co_await connection->send(std::move(request), next_limit());
    if (!response) {
        connection_.reset();
        co_return std::unexpected(std::move(response).error());
    }
    if (response->status < 200 || response->status > 299) {
        Reply reply;
        reply.status = response->status;
        CO_TRY(reply.body, co_await response->body().read_all(1U << 20));
        connection_.reset();
        co_return std::unexpected(error_of(reply));
    }
    std::string held;
    for (;;) {
        connection->set_deadline(next_limit());
        auto piece = co_await response->body().next();
        if (!piece) {
            connection_.reset();
            co_return std::unexpected(std::move(piece).error());
        }
        if (!*piece) {
            if (!held.empty()) {
                (void)line(held);
            }
            co_return base::ok;
        }
        held += **piece;
        std::size_t start = 0;
        for (auto end = held.find('\n'); end != std::string::npos; end = held.find('\n', start)) {
            if (!line(std::string_view(held).substr(start, end - start))) {
                connection_.reset();  // the rest of the answer is not wanted
                co_return base::ok;
            }
            start = end + 1;
        }
        held.erase(0, start);
        if (held.size() > options.body_bytes_max) {
            connection_.reset();
            co_return fail(Code::exhausted, "a line of the answer is longer than {} bytes",
                           options.body_bytes_max);
        }
    }
}

}  // namespace tidemill::client

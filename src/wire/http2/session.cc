#include "wire/http2/session.h"

#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "wire/http2/allowance.h"

namespace tidemill::wire {
namespace {

constexpr std::size_t field_overhead = 32;  // RFC 9113 section 6.5.2
// A head this many times above the limit is no mistake any more.
constexpr std::size_t bomb_factor = 8;
constexpr std::uint32_t earned_by_head = 10;
// Both of its windows, in small steps (Envoy allows ten WINDOW_UPDATE for each DATA frame).
constexpr std::uint32_t earned_by_sent_data = 10;
constexpr std::uint32_t earned_by_data = 4;

const std::uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::string_view text_of(nghttp2_rcbuf* buffer) {
    const auto view = nghttp2_rcbuf_get_buf(buffer);
    return {reinterpret_cast<const char*>(view.base), view.len};
}

struct OptionDeleter {
    void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};
struct CallbacksDeleter {
    void operator()(nghttp2_session_callbacks* callbacks) const {
        nghttp2_session_callbacks_del(callbacks);
    }
};
struct SessionDeleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};

}  // namespace

std::string_view fault_text(Http2Fault fault) {
    switch (fault) {
        case Http2Fault::none:
            return "";
        case Http2Fault::bad_preface:
            return "what came is not HTTP/2";
        case Http2Fault::protocol:
            return "a frame that RFC 9113 does not allow";
        case Http2Fault::too_many_resets:
            return "more streams were begun and reset than is reasonable";
        case Http2Fault::too_many_idle_frames:
            return "more frames that move nothing than is reasonable";
        case Http2Fault::too_many_continuations:
            return "a head in too many frames";
        case Http2Fault::head_bomb:
            return "a head many times larger than allowed";
        case Http2Fault::out_of_memory:
            return "no memory";
    }
    return "";
}

struct Http2Session::Inside {
    struct Stream {
        std::string out;  // body that is not in frames yet: from `begin` on
        std::size_t begin = 0;
        std::vector<std::pair<std::string, std::string>> trailers;
        bool deferred = false;  // nghttp2 asks again only when told to
        bool ending = false;
        bool released = false;
        bool sent_end = false;
    };

    Inside(Http2Role role_in, const Http2Limits& limits_in, Http2Events& events_in)
        : role(role_in),
          limits(limits_in),
          events(events_in),
          resets(limits.resets_burst, limits.resets_per_second),
          idle_frames(limits.idle_frames_burst, limits.idle_frames_per_second) {}

    Stream* find(Http2StreamId id) {
        const auto found = streams.find(id);
        return found == streams.end() ? nullptr : found->second.get();
    }
    int die(Http2Fault why) {
        if (fault == Http2Fault::none) {
            fault = why;
        }
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    int idle_frame() { return idle_frames.take(now) ? 0 : die(Http2Fault::too_many_idle_frames); }
    std::span<const nghttp2_nv> to_nghttp2(Http2Fields fields);
    void begin_head();
    int add_field(std::string_view name, std::string_view value);
    void end_head(const nghttp2_frame& frame);
    int frame_came(const nghttp2_frame& frame);
    ssize_t read_body(Http2StreamId id, std::uint8_t* to, std::size_t size, std::uint32_t* flags);
    void farewell(std::string& out);
    void sent_end(Http2StreamId id);
    void refuse_rest(Http2StreamId id) {
        if (nghttp2_session_get_stream_remote_close(session.get(), id) == 0) {
            nghttp2_submit_rst_stream(session.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
        }
    }
    void note_skipped(Http2StreamId opened);
    bool was_skipped(Http2StreamId id) const {
        return std::ranges::any_of(
            skipped, [&](const auto& range) { return range.first <= id && id <= range.second; });
    }
    void make_session();

    static Inside& of(void* user_data) { return *static_cast<Inside*>(user_data); }
    static nghttp2_data_provider body();

    Http2Role role;
    Http2Limits limits;
    Http2Events& events;
    Allowance resets;
    Allowance idle_frames;
    std::unique_ptr<nghttp2_session, SessionDeleter> session;
    boost::unordered_flat_map<Http2StreamId, std::unique_ptr<Stream>> streams;
    base::Instant now;
    Http2Fault fault = Http2Fault::none;
    Http2Error goodbye = Http2Error::no_error;
    bool broken = false;  // nghttp2 gave up: only our own farewell may follow
    bool farewell_said = false;
    bool terminating = false;
    bool going_away = false;
    Http2StreamId last_stream = 0;

    // The head that is being read: nghttp2 lets no other frame come between its parts.
    struct Place {
        std::uint32_t name, name_size, value, value_size;
    };
    std::string head_text;
    std::vector<Place> head_places;
    std::vector<Http2Field> head_fields;
    std::size_t head_bytes = 0;
    bool within_head = false;
    bool head_malformed = false;
    std::uint32_t continuations = 0;
    // Numbers below last_stream that no stream had: they are closed (RFC 9113 section 5.1.1). The
    // latest ones; nghttp2 takes a head on such a number for one that crossed our reset.
    std::vector<std::pair<Http2StreamId, Http2StreamId>> skipped;

    std::vector<nghttp2_nv> sent_fields;
    std::vector<Http2StreamId> drained;
};

// Heads
// -----------------------------------------------------------------------------------------

void Http2Session::Inside::begin_head() {
    head_text.clear();
    head_places.clear();
    head_bytes = 0;
    continuations = 0;
    within_head = true;
    head_malformed = false;
}

int Http2Session::Inside::add_field(std::string_view name, std::string_view value) {
    head_bytes += name.size() + value.size() + field_overhead;
    if (head_bytes > std::size_t{limits.head_bytes} * bomb_factor) {
        return die(Http2Fault::head_bomb);
    }
    if (head_bytes > limits.head_bytes || head_places.size() >= limits.headers) {
        head_bytes = std::max(head_bytes, std::size_t{limits.head_bytes} + 1);
        return 0;  // it must be unpacked to its end all the same: the table is the connection's
    }
    const auto at = static_cast<std::uint32_t>(head_text.size());
    head_places.push_back({at, static_cast<std::uint32_t>(name.size()),
                           at + static_cast<std::uint32_t>(name.size()),
                           static_cast<std::uint32_t>(value.size())});
    head_text += name;
    head_text += value;
    return 0;
}

void Http2Session::Inside::end_head(const nghttp2_frame& frame) {
    within_head = false;
    const auto id = frame.hd.stream_id;
    if (find(id) == nullptr) {
        return;
    }
    if (head_malformed) {
        nghttp2_submit_rst_stream(session.get(), NGHTTP2_FLAG_NONE, id, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (head_bytes > limits.head_bytes) {
        if (role == Http2Role::server && frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
            events.on_head_too_large(id);
        } else {
            nghttp2_submit_rst_stream(session.get(), NGHTTP2_FLAG_NONE, id,
                                      NGHTTP2_ENHANCE_YOUR_CALM);
        }
        return;
    }
    head_fields.clear();
    const std::string_view text = head_text;
    for (const auto& place : head_places) {
        head_fields.push_back(
            {text.substr(place.name, place.name_size), text.substr(place.value, place.value_size)});
    }
    idle_frames.earn(earned_by_head);
    auto kind = Http2Events::Head::trailers;
    if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
        kind = Http2Events::Head::request;
    } else if (!head_fields.empty() && head_fields.front().name == ":status") {
        kind = head_fields.front().value.starts_with('1') ? Http2Events::Head::interim
                                                          : Http2Events::Head::answer;
    }
    events.on_head(id, kind, head_fields, ends ? Http2End::here : Http2End::more);
}

std::span<const nghttp2_nv> Http2Session::Inside::to_nghttp2(Http2Fields fields) {
    sent_fields.clear();
    for (const auto& field : fields) {
        // nghttp2 copies, and does not write to what it is given.
        sent_fields.push_back({const_cast<std::uint8_t*>(bytes_of(field.name)),
                               const_cast<std::uint8_t*>(bytes_of(field.value)), field.name.size(),
                               field.value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return sent_fields;
}

// Frames
// ----------------------------------------------------------------------------------------

int Http2Session::Inside::frame_came(const nghttp2_frame& frame) {
    switch (frame.hd.type) {
        case NGHTTP2_HEADERS:
            end_head(frame);
            return 0;
        case NGHTTP2_DATA: {
            const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
            if (ends && find(frame.hd.stream_id) != nullptr) {
                events.on_end(frame.hd.stream_id);
            }
            if (frame.hd.length > frame.data.padlen) {
                idle_frames.earn(earned_by_data);
            } else if (!ends) {
                return idle_frame();
            }
            return 0;
        }
        case NGHTTP2_RST_STREAM:
            return resets.take(now) ? 0 : die(Http2Fault::too_many_resets);
        case NGHTTP2_GOAWAY:
            going_away = true;
            events.on_go_away(static_cast<Http2Error>(frame.goaway.error_code));
            return idle_frame();
        default:
            return idle_frame();
    }
}

ssize_t Http2Session::Inside::read_body(Http2StreamId id, std::uint8_t* to, std::size_t size,
                                        std::uint32_t* flags) {
    Stream* const stream = find(id);
    if (stream == nullptr) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // it was reset
    }
    const auto left = stream->out.size() - stream->begin;
    const auto moved = std::min(left, size);
    if (moved > 0) {
        std::memcpy(to, stream->out.data() + stream->begin, moved);
        stream->begin += moved;
    }
    if (moved == left) {
        stream->out.clear();
        stream->begin = 0;
        if (stream->ending) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (!stream->trailers.empty()) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                std::vector<Http2Field> fields;
                for (const auto& [name, value] : stream->trailers) {
                    fields.push_back({name, value});
                }
                const auto list = to_nghttp2(fields);
                nghttp2_submit_trailer(session.get(), id, list.data(), list.size());
            }
        } else if (moved == 0) {
            stream->deferred = true;
            return NGHTTP2_ERR_DEFERRED;
        } else {
            drained.push_back(id);
        }
    }
    return static_cast<ssize_t>(moved);
}

void Http2Session::Inside::sent_end(Http2StreamId id) {
    if (Stream* const stream = find(id)) {
        stream->sent_end = true;
        if (stream->released) {
            refuse_rest(id);
        }
    }
}

void Http2Session::Inside::note_skipped(Http2StreamId opened) {
    constexpr std::size_t ranges_max = 16;
    const Http2StreamId next = last_stream == 0 ? 1 : last_stream + 2;
    if (opened > next) {
        if (skipped.size() == ranges_max) {
            skipped.erase(skipped.begin());
        }
        skipped.emplace_back(next, opened - 2);
    }
}

nghttp2_data_provider Http2Session::Inside::body() {
    nghttp2_data_provider provider{};
    provider.read_callback = [](nghttp2_session*, std::int32_t id, std::uint8_t* to,
                                std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                                void* user) { return of(user).read_body(id, to, size, flags); };
    return provider;
}

// A GOAWAY written by hand: after a failed callback nghttp2 may not be asked for one.
void Http2Session::Inside::farewell(std::string& out) {
    if (goodbye == Http2Error::no_error) {
        goodbye = fault == Http2Fault::bad_preface     ? Http2Error::protocol_error
                  : fault == Http2Fault::out_of_memory ? Http2Error::internal_error
                                                       : Http2Error::enhance_your_calm;
    }
    std::array<unsigned char, 17> frame{0, 0, 8, 7};
    const auto put = [&](std::size_t at, std::uint32_t word) {
        for (std::size_t i = 0; i < 4; ++i) {
            frame[at + i] = static_cast<unsigned char>(word >> (24U - 8U * i));
        }
    };
    put(9, static_cast<std::uint32_t>(last_stream));
    put(13, static_cast<std::uint32_t>(goodbye));
    out.append(reinterpret_cast<const char*>(frame.data()), frame.size());
    farewell_said = true;
}

void Http2Session::Inside::make_session() {
    nghttp2_session_callbacks* made_callbacks = nullptr;
    CHECK(nghttp2_session_callbacks_new(&made_callbacks) == 0);
    const std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter> callbacks(made_callbacks);
    auto* const c = callbacks.get();
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            auto& self = of(user);
            self.begin_head();
            if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
                self.note_skipped(frame->hd.stream_id);
                self.last_stream = frame->hd.stream_id;
                self.streams.emplace(frame->hd.stream_id, std::make_unique<Stream>());
            }
            return 0;
        });
    nghttp2_session_callbacks_set_on_begin_frame_callback(
        c, [](nghttp2_session*, const nghttp2_frame_hd* frame, void* user) {
            auto& self = of(user);
            if (frame->type == NGHTTP2_CONTINUATION) {
                return ++self.continuations > self.limits.continuations
                           ? self.die(Http2Fault::too_many_continuations)
                           : 0;
            }
            if (frame->type == NGHTTP2_HEADERS && self.role == Http2Role::server &&
                self.was_skipped(frame->stream_id)) {
                self.goodbye = Http2Error::protocol_error;
                return self.die(Http2Fault::protocol);
            }
            // Of these we do not hear when they are whole, because we said that we ignore them.
            return frame->type == NGHTTP2_PRIORITY ? self.idle_frame() : 0;
        });
    nghttp2_session_callbacks_set_on_header_callback2(
        c,
        [](nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
           std::uint8_t, void* user) { return of(user).add_field(text_of(name), text_of(value)); });
    nghttp2_session_callbacks_set_on_invalid_header_callback2(
        c, [](nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
              std::uint8_t, void* user) {
            // nghttp2 would drop such a field and go on; a message with one is malformed (RFC 9113
            // section 8.2.1).
            of(user).head_malformed = true;
            return of(user).add_field(text_of(name), text_of(value));
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            return of(user).frame_came(*frame);
        });
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
            if (frame->hd.type == NGHTTP2_HEADERS) {
                of(user).within_head = false;
            }
            return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
              std::size_t size, void* user) {
            auto& self = of(user);
            if (self.find(id) != nullptr) {
                self.events.on_data(id, {reinterpret_cast<const char*>(data), size});
            } else {
                nghttp2_session_consume_connection(session, size);
            }
            return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        c, [](nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
            auto& self = of(user);
            if (self.streams.erase(id) > 0) {
                self.events.on_closed(id, static_cast<Http2Error>(code));
            }
            return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
            auto& self = of(user);
            if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
                self.sent_end(frame->hd.stream_id);
            }
            switch (frame->hd.type) {
                case NGHTTP2_DATA:
                    self.idle_frames.earn(earned_by_sent_data);
                    return 0;
                case NGHTTP2_GOAWAY:
                    self.goodbye = static_cast<Http2Error>(frame->goaway.error_code);
                    if (self.goodbye != Http2Error::no_error && !self.terminating &&
                        self.fault == Http2Fault::none) {
                        self.fault = Http2Fault::protocol;
                    }
                    return 0;
                case NGHTTP2_RST_STREAM:
                    // A stream that the peer made us reset costs as much as one that it reset.
                    switch (frame->rst_stream.error_code) {
                        case NGHTTP2_PROTOCOL_ERROR:
                        case NGHTTP2_FLOW_CONTROL_ERROR:
                        case NGHTTP2_STREAM_CLOSED:
                        case NGHTTP2_FRAME_SIZE_ERROR:
                            return self.resets.take(self.now)
                                       ? 0
                                       : self.die(Http2Fault::too_many_resets);
                        default:
                            return 0;
                    }
                default:
                    return 0;
            }
        });

    nghttp2_option* made_option = nullptr;
    CHECK(nghttp2_option_new(&made_option) == 0);
    const std::unique_ptr<nghttp2_option, OptionDeleter> option(made_option);
    nghttp2_option_set_no_auto_window_update(option.get(), 1);
    nghttp2_option_set_no_closed_streams(option.get(), 1);
    nghttp2_option_set_max_outbound_ack(option.get(), limits.acknowledgements_queued);
    // nghttp2 1.52 counts a frame once for each piece of its nine bytes of frame head that comes
    // alone: ours is the limit, its own lies behind.
    constexpr std::size_t frame_head_bytes = 9;
    nghttp2_option_set_max_continuations(option.get(),
                                         limits.continuations * (frame_head_bytes + 1));
    nghttp2_option_set_max_deflate_dynamic_table_size(option.get(), limits.table_bytes);
    nghttp2_option_set_max_reserved_remote_streams(option.get(), 0);
    // Its own limit reads a clock; ours, which is lower, takes `now`.
    nghttp2_option_set_stream_reset_rate_limit(option.get(), UINT32_MAX, UINT32_MAX);

    nghttp2_session* made = nullptr;
    const auto rv = role == Http2Role::server
                        ? nghttp2_session_server_new2(&made, c, this, option.get())
                        : nghttp2_session_client_new2(&made, c, this, option.get());
    CHECK(rv == 0);
    session.reset(made);

    std::vector<nghttp2_settings_entry> settings = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.head_bytes},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, limits.table_bytes}};
    if (role == Http2Role::server) {
        settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams});
        settings.push_back({NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1});
    } else {
        settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
    }
    CHECK(nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0);
    CHECK(nghttp2_session_set_local_window_size(
              made, NGHTTP2_FLAG_NONE, 0,
              static_cast<std::int32_t>(limits.connection_window_bytes)) == 0);
}

// The door
// --------------------------------------------------------------------------------------

Http2Session::Http2Session(Http2Role role, const Http2Limits& limits, Http2Events& events)
    : inside_(std::make_unique<Inside>(role, limits, events)) {
    inside_->make_session();
}

Http2Session::~Http2Session() = default;

Http2Fault Http2Session::receive(std::string_view bytes, base::Instant now) {
    auto& in = *inside_;
    if (in.fault != Http2Fault::none) {
        return in.fault;
    }
    in.now = std::max(in.now, now);
    const auto taken = nghttp2_session_mem_recv(in.session.get(), bytes_of(bytes), bytes.size());
    if (taken < 0) {
        in.broken = true;
        switch (taken) {
            case NGHTTP2_ERR_CALLBACK_FAILURE:
                break;  // die() has said why
            case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
                in.die(Http2Fault::bad_preface);
                break;
            case NGHTTP2_ERR_FLOODED:
                in.die(Http2Fault::too_many_idle_frames);
                break;
            case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
                in.die(Http2Fault::too_many_continuations);
                break;
            case NGHTTP2_ERR_NOMEM:
                in.die(Http2Fault::out_of_memory);
                break;
            default:
                in.goodbye = Http2Error::protocol_error;
                in.die(Http2Fault::protocol);
        }
    } else if (!in.terminating && nghttp2_session_want_read(in.session.get()) == 0 &&
               !in.going_away) {
        in.fault = Http2Fault::protocol;  // nghttp2 has its GOAWAY ready
    }
    return in.fault;
}

void Http2Session::send(std::string& out, std::size_t bytes_max) {
    auto& in = *inside_;
    while (!in.broken && out.size() < bytes_max) {
        const std::uint8_t* data = nullptr;
        const auto size = nghttp2_session_mem_send(in.session.get(), &data);
        if (size < 0) {
            in.broken = true;
            in.die(size == NGHTTP2_ERR_NOMEM ? Http2Fault::out_of_memory : Http2Fault::protocol);
            break;
        }
        if (size == 0) {
            break;
        }
        out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
    }
    if (in.broken && !in.farewell_said) {
        in.farewell(out);
    }
    while (!in.drained.empty()) {
        const auto id = in.drained.back();
        in.drained.pop_back();
        if (const auto* stream = in.find(id);
            stream != nullptr && stream->out.empty() && !stream->ending) {
            in.events.on_drained(id);
        }
    }
}

bool Http2Session::wants_send() const {
    const auto& in = *inside_;
    return in.broken ? !in.farewell_said : nghttp2_session_want_write(in.session.get()) != 0;
}

bool Http2Session::over() const {
    const auto& in = *inside_;
    if (in.broken) {
        return in.farewell_said;
    }
    return nghttp2_session_want_read(in.session.get()) == 0 &&
           nghttp2_session_want_write(in.session.get()) == 0;
}

Http2Fault Http2Session::fault() const {
    return inside_->fault;
}

Http2Error Http2Session::goodbye() const {
    return inside_->goodbye;
}

bool Http2Session::within_head() const {
    return inside_->within_head;
}

bool Http2Session::may_open() const {
    const auto& in = *inside_;
    return !in.broken && in.fault == Http2Fault::none && !in.going_away && !in.terminating &&
           nghttp2_session_check_request_allowed(in.session.get()) != 0 &&
           in.streams.size() <
               std::min(in.limits.streams,
                        nghttp2_session_get_remote_settings(
                            in.session.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
}

Http2StreamId Http2Session::open(Http2Fields head, Http2End end) {
    auto& in = *inside_;
    if (!may_open()) {
        return 0;
    }
    const auto list = in.to_nghttp2(head);
    const auto provider = Inside::body();
    const auto id = nghttp2_submit_request(in.session.get(), nullptr, list.data(), list.size(),
                                           end == Http2End::here ? nullptr : &provider, nullptr);
    if (id <= 0) {
        return 0;
    }
    in.streams.emplace(id, std::make_unique<Inside::Stream>());
    return id;
}

bool Http2Session::interim(Http2StreamId stream, Http2Fields head) {
    auto& in = *inside_;
    if (in.broken || in.find(stream) == nullptr) {
        return false;
    }
    const auto list = in.to_nghttp2(head);
    return nghttp2_submit_headers(in.session.get(), NGHTTP2_FLAG_NONE, stream, nullptr, list.data(),
                                  list.size(), nullptr) == 0;
}

bool Http2Session::answer(Http2StreamId stream, Http2Fields head, Http2End end) {
    auto& in = *inside_;
    if (in.broken || in.find(stream) == nullptr) {
        return false;
    }
    const auto list = in.to_nghttp2(head);
    const auto provider = Inside::body();
    return nghttp2_submit_response(in.session.get(), stream, list.data(), list.size(),
                                   end == Http2End::here ? nullptr : &provider) == 0;
}

void Http2Session::write(Http2StreamId id, std::string_view bytes) {
    auto& in = *inside_;
    auto* const stream = in.find(id);
    if (stream == nullptr || bytes.empty() || in.broken) {
        return;
    }
    if (stream->begin > 0 && stream->begin >= stream->out.size() / 2) {
        stream->out.erase(0, std::exchange(stream->begin, 0));
    }
    stream->out += bytes;
    if (std::exchange(stream->deferred, false)) {
        nghttp2_session_resume_data(in.session.get(), id);
    }
}

void Http2Session::finish(Http2StreamId id, Http2Fields trailers) {
    auto& in = *inside_;
    auto* const stream = in.find(id);
    if (stream == nullptr || stream->ending || in.broken) {
        return;
    }
    stream->ending = true;
    for (const auto& field : trailers) {
        stream->trailers.emplace_back(field.name, field.value);
    }
    if (std::exchange(stream->deferred, false)) {
        nghttp2_session_resume_data(in.session.get(), id);
    }
}

void Http2Session::release(Http2StreamId id) {
    auto& in = *inside_;
    auto* const stream = in.find(id);
    if (stream == nullptr || in.broken) {
        return;
    }
    stream->released = true;
    if (stream->sent_end) {
        in.refuse_rest(id);
    }
}

void Http2Session::reset(Http2StreamId id, Http2Error why) {
    auto& in = *inside_;
    if (in.streams.erase(id) > 0 && !in.broken) {
        nghttp2_submit_rst_stream(in.session.get(), NGHTTP2_FLAG_NONE, id,
                                  static_cast<std::uint32_t>(why));
    }
}

void Http2Session::consumed(Http2StreamId stream, std::size_t bytes) {
    if (!inside_->broken) {
        nghttp2_session_consume(inside_->session.get(), stream, bytes);
    }
}

std::size_t Http2Session::unsent(Http2StreamId id) const {
    const auto* const stream = inside_->find(id);
    return stream == nullptr ? 0 : stream->out.size() - stream->begin;
}

void Http2Session::go_away() {
    auto& in = *inside_;
    if (!in.broken && !std::exchange(in.going_away, true)) {
        nghttp2_submit_goaway(in.session.get(), NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(in.session.get()),
                              NGHTTP2_NO_ERROR, nullptr, 0);
    }
}

void Http2Session::terminate(Http2Error why) {
    auto& in = *inside_;
    if (!in.broken && !std::exchange(in.terminating, true)) {
        nghttp2_session_terminate_session(in.session.get(), static_cast<std::uint32_t>(why));
    }
}

std::size_t Http2Session::open_streams() const {
    return inside_->streams.size();
}

}  // namespace tidemill::wire

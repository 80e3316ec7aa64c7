#include "wire/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <cmath>
#include <optional>
#include <spanstream>

#include "base/bytes.h"
#include "wire/json_build.h"
#include "wire/text_position.h"

namespace tidemill::wire {
namespace {

using base::Code;
using base::fail;
using base::Result;

// Leaves yaml-cpp's recursion; never leaves parse_yaml.
struct Refused {
    base::Error error;
};

std::string mark_text(const YAML::Mark& mark) {
    return fmt::format("line {}, column {}: ", mark.line + 1, mark.column + 1);
}

// Builds one document from yaml-cpp's events.
class Handler : public YAML::EventHandler {
public:
    // first: whether the stream begins with this document.
    enum class Place : std::uint8_t { first, later };
    Handler(std::string_view text, Place place, const JsonLimits& limits)
        : text_(text), place_(place), limits_(limits) {
        builders_.emplace_back(limits);
    }

    Json take() { return builders_.front().take(); }

    // yaml-cpp takes whatever it cannot make part of a document for the next one, without moving
    // on.
    void OnDocumentStart(const YAML::Mark& mark) override {
        mark_ = mark;
        const auto at = static_cast<std::size_t>(mark.pos);
        if (place_ == Place::later && (at > text_.size() || !text_.substr(at).starts_with("---"))) {
            refuse(Code::invalid, "text after the end of the document");
        }
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        mark_ = mark;
        if (!take_key("", "?")) {
            scalar(Json(nullptr), anchor);
        }
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& text) override {
        mark_ = mark;
        if (!take_key(text, tag)) {
            Json value = resolve(text, tag);
            if (value.is_double() && !std::isfinite(value.get_double())) {
                refuse(Code::invalid, fmt::format("{} has no JSON form", text));
            }
            scalar(std::move(value), anchor);
        }
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        mark_ = mark;
        const Anchor* found = anchor < anchors_.size() ? &anchors_[anchor] : nullptr;
        if (found == nullptr || !found->value) {
            refuse(Code::invalid, "an anchor contains itself");
        }
        if (expects_key()) {
            // Only a string keeps its meaning here: what text another key was written with is not
            // kept.
            if (!found->value->is_string()) {
                refuse(Code::invalid, "a key is an alias of something other than a string");
            }
            take_key(std::string(found->value->get_string()), "!");
            return;
        }
        if (builders_.back().depth() + outer_depth_ + found->size.depth > limits_.depth_max) {
            refuse(Code::exhausted, fmt::format("deeper than {} levels", limits_.depth_max));
        }
        spend(expanded_bytes_, found->size.bytes, limits_.bytes_max, "bytes in aliases");
        check(builders_.back().value(*found->value, found->size.nodes));
        complete();
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        begin(mark, tag, anchor, Kind::sequence);
    }
    void OnSequenceEnd() override { end(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        begin(mark, tag, anchor, Kind::map);
    }
    void OnMapEnd() override { end(); }

private:
    enum class Kind : std::uint8_t { sequence, map };
    struct Frame {
        Kind kind;
        YAML::anchor_t anchor;
        bool has_key = false;
        bool merges = false;  // the value to come stands behind <<
    };
    struct Anchor {
        std::optional<Json> value;  // empty until the node is complete
        JsonSize size;
    };

    [[noreturn]] void refuse(Code code, std::string_view message) {
        const std::string path = builders_.back().path();
        throw Refused{{code, fmt::format("{}{}{}{}", mark_text(mark_), path,
                                         path.empty() ? "" : ": ", message)}};
    }

    void check(bool fine) {
        if (!fine) {
            base::Error error = builders_.back().error();
            error.message = mark_text(mark_) + error.message;
            throw Refused{std::move(error)};
        }
    }

    void spend(std::size_t& spent, std::size_t more, std::size_t limit, std::string_view what) {
        spent += more;
        if (spent > limit) {
            refuse(Code::exhausted, fmt::format("more than {} {}", limit, what));
        }
    }

    bool expects_key() const {
        return !frames_.empty() && frames_.back().kind == Kind::map && !frames_.back().has_key;
    }

    // The value that a scalar stands for, by its tag: "?" is plain, "!" is quoted.
    Json resolve(const std::string& text, const std::string& tag) {
        // yaml-cpp writes the escapes \N and \_ as lone bytes.
        if (!base::is_utf8(text)) {
            refuse(Code::invalid, "an escape that is not read here: write \\u0085 or \\u00a0");
        }
        static constexpr std::string_view core = "tag:yaml.org,2002:";
        if (tag == "?") {
            return resolve_yaml_scalar(text);
        }
        if (!tag.starts_with(core)) {
            return Json(text);
        }
        const std::string_view kind = std::string_view(tag).substr(core.size());
        if (kind == "binary") {
            auto bytes = base::from_base64(text);
            if (!bytes || !base::is_utf8(*bytes)) {
                refuse(Code::invalid, "!!binary is not base64 of UTF-8 text");
            }
            return Json(*bytes);
        }
        Json value = resolve_yaml_scalar(text);
        const bool fits = kind == "null"    ? value.is_null()
                          : kind == "bool"  ? value.is_bool()
                          : kind == "int"   ? value.is_int64() || value.is_uint64()
                          : kind == "float" ? value.is_number()
                                            : false;
        if (!fits && (kind == "null" || kind == "bool" || kind == "int" || kind == "float")) {
            refuse(Code::invalid, fmt::format("{} is not a !!{}", text, kind));
        }
        return fits ? value : Json(text);
    }

    // Takes a scalar as the key of the map that waits for one.
    bool take_key(const std::string& text, const std::string& tag) {
        if (!expects_key()) {
            return false;
        }
        Frame& frame = frames_.back();
        frame.has_key = true;
        if (text == "<<" && (tag == "?" || tag == "tag:yaml.org,2002:merge")) {
            frame.merges = true;
            outer_depth_ += builders_.back().depth();
            builders_.emplace_back(limits_);
            return true;
        }
        const Json key = resolve(text, tag);
        if (key.is_null()) {
            refuse(Code::invalid, "a key is null");
        }
        if (key.is_string()) {
            check(builders_.back().key(key.get_string()));
        } else if (key.is_double()) {
            check(builders_.back().key(
                std::isfinite(key.get_double()) ? fmt::format("{}", key.get_double()) : text));
        } else {
            check(builders_.back().key(write_json(key)));
        }
        return true;
    }

    void scalar(Json value, YAML::anchor_t anchor) {
        check(builders_.back().value(std::move(value)));
        keep(anchor);
        complete();
    }

    void begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Kind kind) {
        mark_ = mark;
        if (expects_key()) {
            refuse(Code::invalid, "a key is not a scalar");
        }
        // !!set and !!omap are the same to kubectl as their plain forms; scalar tags are mistakes.
        if (tag == "tag:yaml.org,2002:str" || tag == "tag:yaml.org,2002:int") {
            refuse(Code::invalid, "a scalar tag stands before a collection");
        }
        if (builders_.back().depth() + outer_depth_ >= limits_.depth_max) {
            refuse(Code::exhausted, fmt::format("deeper than {} levels", limits_.depth_max));
        }
        check(kind == Kind::map ? builders_.back().begin_object() : builders_.back().begin_array());
        frames_.push_back({kind, anchor});
    }

    void end() {
        const YAML::anchor_t anchor = frames_.back().anchor;
        frames_.pop_back();
        check(builders_.back().end());
        keep(anchor);
        complete();
    }

    // Keeps a copy of the node that was just completed for its aliases.
    void keep(YAML::anchor_t anchor) {
        if (anchor == YAML::NullAnchor) {
            return;
        }
        const Json& value = builders_.back().last();
        const JsonSize size = measure(value);
        spend(anchored_nodes_, size.nodes, limits_.nodes_max, "values under anchors");
        spend(anchored_bytes_, size.bytes, limits_.bytes_max, "bytes under anchors");
        anchors_.resize(std::max(anchors_.size(), anchor + 1));
        anchors_[anchor] = {value, size};
    }

    // A value of the innermost collection is complete.
    void complete() {
        if (frames_.empty()) {
            return;
        }
        Frame& frame = frames_.back();
        frame.has_key = false;
        if (frame.merges) {
            frame.merges = false;
            const Json merged = builders_.back().take();
            builders_.pop_back();
            outer_depth_ -= builders_.back().depth();
            merge(merged);
        }
    }

    void merge(const Json& merged) {
        if (const auto* object = merged.if_object()) {
            merge_object(*object);
            return;
        }
        const auto* array = merged.if_array();
        if (array == nullptr) {
            refuse(Code::invalid, "<< wants an object, or an array of objects");
        }
        // The first object that has a key gives it its value, so the last is merged first.
        for (std::size_t i = array->size(); i-- > 0;) {
            const auto* part = (*array)[i].if_object();
            if (part == nullptr) {
                refuse(Code::invalid, "<< wants an object, or an array of objects");
            }
            merge_object(*part);
        }
    }

    void merge_object(const JsonObject& object) {
        for (const auto& member : object) {
            check(builders_.back().key(member.key(), JsonBuilder::KeyOrigin::merged));
            check(builders_.back().value(member.value(), measure(member.value()).nodes));
        }
    }

    std::string_view text_;
    Place place_;
    JsonLimits limits_;
    // The document, and on top of it a builder for each << whose value is being read.
    std::vector<JsonBuilder> builders_;
    std::size_t outer_depth_ = 0;
    std::vector<Frame> frames_;
    std::vector<Anchor> anchors_;
    std::size_t anchored_nodes_ = 0;
    std::size_t anchored_bytes_ = 0;
    std::size_t expanded_bytes_ = 0;
    YAML::Mark mark_;
};

// yaml-cpp takes other encodings, and one control character as the end of the text.
base::Status check_characters(std::string_view text) {
    if (!base::is_utf8(text)) {
        return fail(Code::invalid, "the text is not UTF-8");
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return fail(Code::invalid, "{}: control character 0x{:02x}", position_text(text, i), c);
        }
    }
    return base::ok;
}

}  // namespace

Result<std::vector<Json>> parse_yaml(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.bytes_max) {
        return fail(Code::exhausted, "{} bytes, more than {}", text.size(), limits.bytes_max);
    }
    CHECK_OK(check_characters(text));
    // yaml-cpp counts positions from behind a byte order mark.
    static constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    text.remove_prefix(text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0);
    std::vector<Json> documents;
    JsonLimits left = limits;
    try {
        std::ispanstream stream(std::span<const char>(text.data(), text.size()));
        YAML::Parser parser(stream);
        for (auto place = Handler::Place::first;; place = Handler::Place::later) {
            Handler handler(text, place, left);
            if (!parser.HandleNextDocument(handler)) {
                return documents;
            }
            Json document = handler.take();
            if (document.is_null()) {
                continue;
            }
            const std::size_t nodes = measure(document).nodes;
            left.nodes_max -= std::min(nodes, left.nodes_max);
            documents.push_back(std::move(document));
        }
    } catch (const Refused& refused) {
        return std::unexpected(refused.error);
    } catch (const YAML::Exception& error) {
        return fail(Code::invalid, "{}{}", mark_text(error.mark), error.msg);
    }
}

}  // namespace tidemill::wire

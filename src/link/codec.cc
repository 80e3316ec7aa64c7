#include "link/codec.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "link/fields.h"
#include "wire/json.h"

namespace tidemill::link {
namespace {

namespace json = boost::json;
using base::Code;
using base::fail;
using base::Status;

template <typename T>
concept HasFields = requires(T& value) { each([](const char*, auto&) {}, value); };

json::value to_json(const std::string& value) {
    return json::value(value);
}
json::value to_json(double value) {
    return value;
}
json::value to_json(base::Duration value) {
    return value.count();
}
json::value to_json(base::WallTime value) {
    return value.ns;
}
json::value to_json(const std::pair<std::string, std::string>& value) {
    return json::array{value.first, value.second};
}
template <std::integral T>
json::value to_json(T value) {
    return value;
}
template <typename E>
    requires std::is_enum_v<E>
json::value to_json(E value) {
    const auto name = enum_names<E>.at(static_cast<std::size_t>(value));
    return json::value(json::string_view(name.data(), name.size()));
}
template <HasFields T>
json::value to_json(const T& value);
template <typename T>
json::value to_json(const std::vector<T>& values) {
    json::array array;
    array.reserve(values.size());
    for (const auto& value : values) {
        array.push_back(to_json(value));
    }
    return array;
}
template <typename T>
json::value to_json(const std::optional<T>& value) {
    return value ? to_json(*value) : json::value(nullptr);
}
template <HasFields T>
json::value to_json(const T& value) {
    json::object object;
    each([&](const char* name, const auto& member) { object[name] = to_json(member); }, value);
    return object;
}

Status from_json(const json::value& from, std::string& to) {
    if (!from.is_string()) {
        return fail(Code::invalid, "expected a string");
    }
    to.assign(from.get_string().data(), from.get_string().size());
    return base::ok;
}
Status from_json(const json::value& from, double& to) {
    boost::system::error_code error;
    to = from.to_number<double>(error);
    return error ? Status(fail(Code::invalid, "expected a number")) : Status(base::ok);
}
template <std::integral T>
Status from_json(const json::value& from, T& to) {
    boost::system::error_code error;
    to = from.to_number<T>(error);
    return error ? Status(fail(Code::invalid, "expected an integer")) : Status(base::ok);
}
Status from_json(const json::value& from, base::Duration& to) {
    std::int64_t ns = 0;
    CHECK_OK(from_json(from, ns));
    to = base::Duration(ns);
    return base::ok;
}
Status from_json(const json::value& from, base::WallTime& to) {
    return from_json(from, to.ns);
}
Status from_json(const json::value& from, std::pair<std::string, std::string>& to) {
    if (!from.is_array() || from.get_array().size() != 2) {
        return fail(Code::invalid, "expected a pair");
    }
    CHECK_OK(from_json(from.get_array()[0], to.first));
    return from_json(from.get_array()[1], to.second);
}
template <typename E>
    requires std::is_enum_v<E>
Status from_json(const json::value& from, E& to) {
    std::string name;
    CHECK_OK(from_json(from, name));
    const auto& names = enum_names<E>;
    const auto at = std::ranges::find(names, name);
    if (at == names.end()) {
        return fail(Code::invalid, "\"{}\" is no value that this version knows", name);
    }
    to = static_cast<E>(at - names.begin());
    return base::ok;
}
template <HasFields T>
Status from_json(const json::value& from, T& to);
template <typename T>
Status from_json(const json::value& from, std::vector<T>& to) {
    if (!from.is_array()) {
        return fail(Code::invalid, "expected an array");
    }
    to.clear();
    to.reserve(from.get_array().size());
    for (const auto& element : from.get_array()) {
        CHECK_OK(from_json(element, to.emplace_back()));
    }
    return base::ok;
}
template <typename T>
Status from_json(const json::value& from, std::optional<T>& to) {
    if (from.is_null()) {
        to.reset();
        return base::ok;
    }
    return from_json(from, to.emplace());
}
template <HasFields T>
Status from_json(const json::value& from, T& to) {
    if (!from.is_object()) {
        return fail(Code::invalid, "expected an object");
    }
    Status status = base::ok;
    each(
        [&](const char* name, auto& member) {
            const auto* const value = from.get_object().if_contains(name);
            if (value == nullptr || !status) {
                return;
            }
            if (auto read = from_json(*value, member); !read) {
                status = base::wrap(fmt::format("{}: ", name), std::move(read).error());
            }
        },
        to);
    return status;
}

template <std::size_t... I>
Status decode_as(std::size_t index, const json::value& from, Message& to,
                 std::index_sequence<I...>) {
    Status status = base::ok;
    ((index == I ? void(status = from_json(from, to.emplace<I>())) : void()), ...);
    return status;
}

}  // namespace

std::string encode(const Message& message) {
    json::value value = std::visit([](const auto& m) { return to_json(m); }, message);
    const auto name = message_names.at(message.index());
    value.get_object()["type"] = json::string_view(name.data(), name.size());
    std::string frame(4, '\0');
    frame += json::serialize(value);
    const std::size_t size = frame.size() - 4;
    CHECK(size <= frame_bytes_max);
    for (std::size_t i = 0; i < 4; ++i) {
        frame[i] = static_cast<char>(size >> (24 - 8 * i) & 255);
    }
    return frame;
}

base::Result<Message> decode(std::string_view payload) {
    wire::JsonLimits limits;
    limits.bytes_max = frame_bytes_max;
    TRY(const json::value value, wire::parse_json(payload, limits));
    const auto* const object = value.if_object();
    const auto* const type = object == nullptr ? nullptr : object->if_contains("type");
    if (type == nullptr || !type->is_string()) {
        return fail(Code::invalid, "link: a message without a type");
    }
    const std::string_view name(type->get_string().data(), type->get_string().size());
    const auto at = std::ranges::find(message_names, name);
    if (at == message_names.end()) {
        return fail(Code::not_found, "link: no message is called \"{}\" in this version", name);
    }
    Message message;
    const auto index = static_cast<std::size_t>(at - message_names.begin());
    const Status status =
        decode_as(index, value, message, std::make_index_sequence<std::variant_size_v<Message>>());
    if (!status) {
        return base::wrap(fmt::format("link: {}: ", name), status.error());
    }
    return message;
}

namespace {

struct KeyOf {
    std::string operator()(const HostRoute& m) const { return "HostRoute " + m.host; }
    std::string operator()(const DeleteHost& m) const { return "HostRoute " + m.host; }
    std::string operator()(const RevisionPolicy& m) const { return "RevisionPolicy " + m.revision; }
    std::string operator()(const DeletePolicy& m) const { return "RevisionPolicy " + m.revision; }
    std::string operator()(const WantedRevision& m) const { return "WantedRevision " + m.revision; }
    std::string operator()(const DeleteWanted& m) const { return "WantedRevision " + m.revision; }
    std::string operator()(const RevisionEndpoints& m) const {
        return "RevisionEndpoints " + m.revision;
    }
    std::string operator()(const DeleteEndpoints& m) const {
        return "RevisionEndpoints " + m.revision;
    }
    std::string operator()(const InstanceReport& m) const { return "InstanceReport " + m.instance; }
    std::string operator()(const Wake& m) const { return "Wake " + m.revision; }
    std::string operator()(const Drained& m) const { return "Drained " + m.instance; }
    std::string operator()(const RevisionStats& m) const { return "RevisionStats " + m.revision; }
    template <typename T>
    std::string operator()(const T&) const {
        return {};
    }
};

}  // namespace

std::string key_of(const Message& message) {
    return std::visit(KeyOf{}, message);
}

Message delete_of_key(std::string_view key) {
    const auto space = key.find(' ');
    CHECK(space != std::string_view::npos);
    const auto kind = key.substr(0, space);
    std::string name(key.substr(space + 1));
    if (kind == "HostRoute") {
        return DeleteHost{std::move(name)};
    }
    if (kind == "RevisionPolicy") {
        return DeletePolicy{std::move(name)};
    }
    if (kind == "WantedRevision") {
        return DeleteWanted{std::move(name)};
    }
    CHECK(kind == "RevisionEndpoints");
    return DeleteEndpoints{std::move(name)};
}

}  // namespace tidemill::link

#include "wire/json_patch.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/text.h"
#include "wire/json_build.h"

namespace tidemill::wire {
namespace {

using base::Code;
using base::fail;
using base::Result;
using base::Status;

// As many as kube-apiserver lets one patch have.
constexpr std::size_t operations_max = 10'000;

using Pointer = std::vector<std::string>;

Result<Pointer> parse_pointer(std::string_view text) {
    Pointer keys;
    if (text.empty()) {
        return keys;
    }
    if (text.front() != '/') {
        return fail(Code::invalid, "a pointer begins with /");
    }
    for (const std::string_view part : base::split(text.substr(1), '/')) {
        std::string key;
        for (std::size_t i = 0; i < part.size(); ++i) {
            if (part[i] != '~') {
                key += part[i];
            } else if (++i < part.size() && (part[i] == '0' || part[i] == '1')) {
                key += part[i] == '0' ? '~' : '/';
            } else {
                return fail(Code::invalid, "~ stands without 0 or 1 behind it");
            }
        }
        keys.push_back(std::move(key));
    }
    return keys;
}

// The position that a key names in an array: digits without a leading zero.
std::optional<std::size_t> parse_index(std::string_view key) {
    if (key.size() > 1 && key.front() == '0') {
        return std::nullopt;
    }
    return base::parse_number<std::size_t>(key);
}

Json* child(Json& parent, std::string_view key) {
    if (auto* object = parent.if_object()) {
        return object->if_contains(key);
    }
    if (auto* array = parent.if_array()) {
        const auto index = parse_index(key);
        return index ? array->if_contains(*index) : nullptr;
    }
    return nullptr;
}

Json* find(Json& root, std::span<const std::string> keys) {
    Json* at = &root;
    for (const std::string& key : keys) {
        at = child(*at, key);
        if (at == nullptr) {
            return nullptr;
        }
    }
    return at;
}

Result<Json*> require(Json& root, std::span<const std::string> keys) {
    Json* found = find(root, keys);
    if (found == nullptr) {
        return fail(Code::invalid, "there is nothing at that path");
    }
    return found;
}

// What the document may still grow by. Only ever spent, so that checking needs no walk over the
// whole document for each operation.
class Budget {
public:
    Budget(const JsonLimits& limits, const JsonSize& spent)
        : limits_(limits), nodes_(spent.nodes), bytes_(spent.bytes) {}

    Status spend(const Json& added, std::size_t at_depth) {
        const JsonSize size = measure(added);
        nodes_ += size.nodes;
        bytes_ += size.bytes;
        if (nodes_ > limits_.nodes_max || bytes_ > limits_.bytes_max ||
            at_depth + size.depth > limits_.depth_max) {
            return fail(Code::exhausted,
                        "the result is larger than {} values, {} bytes or {} levels",
                        limits_.nodes_max, limits_.bytes_max, limits_.depth_max);
        }
        return base::ok;
    }

private:
    JsonLimits limits_;
    std::size_t nodes_;
    std::size_t bytes_;
};

Status add(Json& root, const Pointer& path, Json value) {
    if (path.empty()) {
        root = std::move(value);
        return base::ok;
    }
    TRY(Json* const parent, require(root, std::span(path).first(path.size() - 1)));
    const std::string& key = path.back();
    if (auto* object = parent->if_object()) {
        object->insert_or_assign(key, std::move(value));
        return base::ok;
    }
    auto* array = parent->if_array();
    if (array == nullptr) {
        return fail(Code::invalid, "the parent is neither object nor array");
    }
    const auto index = key == "-" ? array->size() : parse_index(key).value_or(SIZE_MAX);
    if (index > array->size()) {
        return fail(Code::invalid, "no such position in an array of {}", array->size());
    }
    array->insert(array->begin() + static_cast<std::ptrdiff_t>(index), std::move(value));
    return base::ok;
}

Result<Json> remove(Json& root, const Pointer& path) {
    TRY(Json* const found, require(root, path));
    Json removed = std::move(*found);
    if (path.empty()) {
        root = nullptr;
        return removed;
    }
    Json* parent = find(root, std::span(path).first(path.size() - 1));
    if (auto* object = parent->if_object()) {
        // Keeps the order of the other keys, which plain erase does not.
        object->stable_erase(path.back());
    } else {
        auto& array = parent->get_array();
        array.erase(array.begin() + static_cast<std::ptrdiff_t>(*parse_index(path.back())));
    }
    return removed;
}

Status apply(Json& root, const JsonReader& operation, Budget& budget) {
    TRY(const auto name, operation.at("op").string());
    TRY(const auto path_text, operation.at("path").string());
    TRY(const Pointer path, parse_pointer(path_text));
    if (name == "add" || name == "replace" || name == "test") {
        const auto* object = operation.value()->if_object();
        const Json* value = object->if_contains("value");  // null is a value here
        if (value == nullptr) {
            return operation.at("value").fail("required");
        }
        if (name != "test") {
            CHECK_OK(budget.spend(*value, path.size()));
        }
        if (name == "add") {
            return add(root, path, *value);
        }
        TRY(Json* const found, require(root, path));
        if (name == "replace") {
            *found = *value;
        } else if (*found != *value) {
            return fail(Code::conflict, "the value there is {}", write_json(*found));
        }
        return base::ok;
    }
    if (name == "remove") {
        CHECK_OK(remove(root, path));
        return base::ok;
    }
    if (name == "move" || name == "copy") {
        TRY(const auto from_text, operation.at("from").string());
        TRY(const Pointer from, parse_pointer(from_text));
        if (name == "copy") {
            TRY(const Json* const found, require(root, from));
            CHECK_OK(budget.spend(*found, path.size()));
            return add(root, path, *found);
        }
        if (from.size() < path.size() && std::equal(from.begin(), from.end(), path.begin())) {
            return fail(Code::invalid, "a value cannot move into itself");
        }
        TRY(Json value, remove(root, from));
        CHECK_OK(budget.spend(value, path.size()));
        return add(root, path, std::move(value));
    }
    return operation.at("op").fail(fmt::format("unknown operation {}", name));
}

}  // namespace

Json merge_patch(Json target, const Json& patch) {
    const auto* changes = patch.if_object();
    if (changes == nullptr) {
        return patch;
    }
    if (!target.is_object()) {
        target.emplace_object();
    }
    JsonObject& object = target.get_object();
    for (const auto& change : *changes) {
        if (change.value().is_null()) {
            object.stable_erase(change.key());
        } else {
            Json& member = object[change.key()];
            member = merge_patch(std::move(member), change.value());
        }
    }
    return target;
}

Result<Json> json_patch(Json target, const Json& patch, const JsonLimits& limits) {
    TRY(const auto operations, JsonReader(patch).elements());
    if (operations.size() > operations_max) {
        return fail(Code::exhausted, "a patch of {} operations, more than {}", operations.size(),
                    operations_max);
    }
    Budget budget(limits, measure(target));
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const JsonReader& operation = operations[i];
        CHECK_OK(operation.object());
        const auto name = operation.at("op").string_or("").value_or("");
        const auto path = operation.at("path").string_or("").value_or("");
        if (Status done = apply(target, operation, budget); !done) {
            return base::wrap(fmt::format("operation {} ({} {}): ", i, name, path),
                              std::move(done).error());
        }
    }
    return target;
}

const Json* find_pointer(const Json& root, std::string_view pointer) {
    const auto keys = parse_pointer(pointer);
    // Nothing is changed through it: the cast only lets one walk serve both.
    return keys ? find(const_cast<Json&>(root), *keys) : nullptr;
}

}  // namespace tidemill::wire

#include "wire/json_build.h"

#include <algorithm>

namespace tidemill::wire {

JsonSize measure(const Json& value) {
    JsonSize size;
    const auto include = [&size](const Json& part) {
        const JsonSize inner = measure(part);
        size.nodes += inner.nodes;
        size.bytes += inner.bytes;
        size.depth = std::max(size.depth, inner.depth + 1);
    };
    if (const auto* text = value.if_string()) {
        size.bytes = text->size();
    } else if (const auto* array = value.if_array()) {
        size.depth = 1;
        for (const Json& element : *array) {
            include(element);
        }
    } else if (const auto* object = value.if_object()) {
        size.depth = 1;
        for (const auto& member : *object) {
            size.bytes += member.key().size();
            include(member.value());
        }
    }
    return size;
}

bool JsonBuilder::begin(Json container) {
    if (frames_.size() >= limits_.depth_max) {
        return refuse(base::Code::exhausted,
                      fmt::format("deeper than {} levels", limits_.depth_max));
    }
    if (!count(1)) {
        return false;
    }
    frames_.push_back({std::move(container), {}, {}});
    return true;
}

bool JsonBuilder::end() {
    Json done = std::move(frames_.back().container);
    frames_.pop_back();
    // It and its parts are counted already.
    return value(std::move(done), 0);
}

bool JsonBuilder::key(std::string_view key, KeyOrigin origin) {
    Frame& frame = frames_.back();
    const auto merged = std::find(frame.merged.begin(), frame.merged.end(), key);
    const bool is_merged = merged != frame.merged.end();
    if (origin == KeyOrigin::merged) {
        if (!is_merged) {
            frame.merged.emplace_back(key);
        }
    } else if (is_merged) {
        frame.merged.erase(merged);
    } else if (frame.container.get_object().contains(key)) {
        frame.key.clear();
        const std::string where = path();
        return refuse(base::Code::invalid, fmt::format("duplicate key {}", join_path(where, key)));
    }
    frame.key = key;
    return true;
}

bool JsonBuilder::value(Json value, std::size_t nodes) {
    if (!count(nodes)) {
        return false;
    }
    if (frames_.empty()) {
        root_ = std::move(value);
        last_ = &root_;
    } else if (auto* array = frames_.back().container.if_array()) {
        last_ = &array->emplace_back(std::move(value));
    } else {
        Frame& frame = frames_.back();
        auto& object = frame.container.get_object();
        last_ = &object.insert_or_assign(frame.key, std::move(value)).first->value();
        frame.key.clear();
    }
    return true;
}

bool JsonBuilder::count(std::size_t nodes) {
    if (nodes > limits_.nodes_max - nodes_) {
        return refuse(base::Code::exhausted, fmt::format("more than {} values", limits_.nodes_max));
    }
    nodes_ += nodes;
    return true;
}

bool JsonBuilder::refuse(base::Code code, std::string_view message) {
    if (!error_) {
        error_ = base::Error{code, std::string(message)};
    }
    return false;
}

std::string JsonBuilder::path() const {
    std::string path;
    for (const Frame& frame : frames_) {
        if (const auto* array = frame.container.if_array()) {
            path = join_path(path, array->size());
        } else if (!frame.key.empty()) {
            path = join_path(path, frame.key);
        }
    }
    return path;
}

}  // namespace tidemill::wire

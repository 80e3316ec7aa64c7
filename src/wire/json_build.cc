#include "wire/json_build.h"

#include <algorithm>

namespace tidemill::wire {

std::size_t count_nodes(const Json& value) {
    std::size_t nodes = 1;
    if (const auto* array = value.if_array()) {
        for (const Json& element : *array) {
            nodes += count_nodes(element);
        }
    } else if (const auto* object = value.if_object()) {
        for (const auto& member : *object) {
            nodes += count_nodes(member.value());
        }
    }
    return nodes;
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
    } else if (auto* array = frames_.back().container.if_array()) {
        array->push_back(std::move(value));
    } else {
        Frame& frame = frames_.back();
        frame.container.get_object().insert_or_assign(frame.key, std::move(value));
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

// Text in columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidemill::cli {

// How many places a text takes on a terminal: code points, escapes of colour not counted.
std::size_t display_width(std::string_view text);

class Table {
public:
    // No headings: none is printed.
    explicit Table(std::vector<std::string> headings = {});
    // Missing cells are empty; cells beyond the headings are kept.
    void add(std::vector<std::string> cells);
    bool empty() const { return rows_.empty(); }
    // Every column as wide as its widest cell, three spaces between, none at the end of a line.
    // Control characters in cells become spaces, so that no cell can move another.
    std::string text() const;

private:
    std::vector<std::string> headings_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace tidemill::cli

#include "cli/text/table.h"

#include <algorithm>

namespace tidemill::cli {
namespace {

constexpr std::size_t gap = 3;  // as kubectl

std::string one_line(std::string cell) {
    for (char& c : cell) {
        if (static_cast<unsigned char>(c) < 0x20 && c != '\x1b') {
            c = ' ';
        }
    }
    return cell;
}

}  // namespace

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {
            while (i < text.size() && text[i] != 'm') {
                ++i;
            }
        } else if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) {
            ++width;
        }
    }
    return width;
}

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

void Table::add(std::vector<std::string> cells) {
    std::ranges::transform(cells, cells.begin(), [](std::string& c) { return one_line(c); });
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<std::size_t> widths;
    const auto measure = [&](const std::vector<std::string>& row) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], display_width(row[i]));
        }
    };
    measure(headings_);
    for (const auto& row : rows_) {
        measure(row);
    }
    std::string out;
    const auto write = [&](const std::vector<std::string>& row) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            line.append(widths[i] - display_width(row[i]) + gap, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    };
    if (!headings_.empty()) {
        write(headings_);
    }
    for (const auto& row : rows_) {
        write(row);
    }
    return out;
}

}  // namespace tidemill::cli

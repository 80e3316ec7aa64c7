// Runs a fuzz target over the files of the folders named on the command line, and over prefixes of
// each: the corpus as an ordinary test.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
            std::ifstream file(entry.path(), std::ios::binary);
            const std::string text(std::istreambuf_iterator<char>(file), {});
            const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
            const std::size_t step = text.size() / 64 + 1;
            for (std::size_t size = 0; size < text.size(); size += step) {
                LLVMFuzzerTestOneInput(data, size);
            }
            LLVMFuzzerTestOneInput(data, text.size());
            ++files;
        }
    }
    std::printf("%zu files replayed\n", files);
    return files == 0 ? 1 : 0;  // an empty corpus would prove nothing
}

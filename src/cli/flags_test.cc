#include "cli/flags.h"

#include <gtest/gtest.h>

#include "cli/command.h"
#include "cli/exit_code.h"

namespace tidemill::cli {
namespace {

const std::vector<Flag> known{
    {.name = "--namespace", .letter = "-n", .value = "NAME", .help = ""},
    {.name = "--env", .letter = "-e", .value = "K=V", .help = "", .times = Flag::Times::many},
    {.name = "--follow", .letter = "-f", .help = ""},
    {.name = "--include", .letter = "-i", .help = ""},
};

// Words and flags as one text, or the error.
std::string read(const std::vector<std::string>& words) {
    const auto given = parse_flags(known, words);
    if (!given) {
        return "error: " + given.error().message;
    }
    std::string out;
    for (const auto& word : given->words) {
        out += word + " ";
    }
    for (const auto& flag : known) {
        for (const auto& value : given->all(flag.name)) {
            out += std::string(flag.name) + "(" + value + ") ";
        }
    }
    return out;
}

TEST(Flags, AreReadInEveryForm) {
    struct Row {
        const char* name;
        std::vector<std::string> words;
        std::string want;
    };
    const Row rows[] = {
        {"a value behind", {"shop", "--namespace", "a"}, "shop --namespace(a) "},
        {"a value with =", {"--namespace=a", "shop"}, "shop --namespace(a) "},
        {"an empty value with =", {"--namespace="}, "--namespace() "},
        {"a value may hold =", {"--env=K=V"}, "--env(K=V) "},
        {"a letter", {"-n", "a"}, "--namespace(a) "},
        {"a letter with its value", {"-na"}, "--namespace(a) "},
        {"a letter with =", {"-n=a"}, "--namespace(a) "},
        {"a value that looks like a flag", {"-n", "-x"}, "--namespace(-x) "},
        {"switches together", {"-fi"}, "--follow() --include() "},
        {"many times", {"-e", "A=1", "-e", "B=2"}, "--env(A=1) --env(B=2) "},
        {"a lone dash is a word", {"-"}, "- "},
        {"nothing is a flag behind --", {"--", "-n", "--x"}, "-n --x "},
        {"twice", {"-n", "a", "--namespace", "b"}, "error: --namespace is given twice"},
        {"a value is missing", {"-n"}, "error: -n wants a value: -n NAME"},
        {"a switch takes none", {"--follow=yes"}, "error: --follow takes no value"},
        {"a mistake", {"--folow"}, "error: unknown flag --folow. Did you mean --follow?"},
        {"nothing near", {"--zzzzzzzz"}, "error: unknown flag --zzzzzzzz"},
        {"an unknown letter", {"-fz"}, "error: unknown flag -z"},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(read(row.words), row.want) << row.name;
    }
}

TEST(Flags, TheCommandIsTheFirstWordThatIsNoGlobalFlag) {
    const std::vector<Flag> global{known[0], known[2]};
    EXPECT_EQ(*find_command(global, std::vector<std::string>{"-n", "ls", "get"}), 2U);
    EXPECT_EQ(*find_command(global, std::vector<std::string>{"--namespace=ls", "get"}), 1U);
    EXPECT_EQ(*find_command(global, std::vector<std::string>{"-f", "get"}), 1U);
    EXPECT_EQ(*find_command(global, std::vector<std::string>{"-f"}), 1U);
    EXPECT_FALSE(find_command(global, std::vector<std::string>{"--env", "A=1", "get"}));
}

TEST(Flags, TheNearestNameIsOneThatMayBeMeant) {
    const std::vector<std::string_view> names{"deploy", "delete", "describe", "logs"};
    EXPECT_EQ(nearest("deplyo", names), "deploy");
    EXPECT_EQ(nearest("log", names), "logs");
    EXPECT_EQ(nearest("frobnicate", names), "");
}

TEST(Commands, HaveAnExampleASummaryAndNoFlagOfTheGlobalOnes) {
    for (const auto& command : commands()) {
        EXPECT_FALSE(command.examples.empty()) << command.name;
        EXPECT_FALSE(command.summary.empty()) << command.name;
        const auto flags = flags_of(command);
        for (std::size_t i = 0; i < flags.size(); ++i) {
            EXPECT_FALSE(flags[i].help.empty()) << command.name << flags[i].name;
            for (std::size_t k = 0; k < i; ++k) {
                EXPECT_NE(flags[i].name, flags[k].name) << command.name;
                EXPECT_TRUE(flags[i].letter.empty() || flags[i].letter != flags[k].letter)
                    << command.name << " " << flags[i].letter;
            }
        }
    }
}

TEST(ExitCodes, TellWhatACallerCanDo) {
    using base::Code;
    const std::pair<Code, int> rows[] = {
        {Code::not_found, 3}, {Code::denied, 4},    {Code::conflict, 5},
        {Code::expired, 5},   {Code::deadline, 6},  {Code::unavailable, 7},
        {Code::invalid, 1},   {Code::exhausted, 1}, {Code::cancelled, 130}};
    for (const auto& [code, exit] : rows) {
        EXPECT_EQ(static_cast<int>(exit_of(code)), exit) << base::code_name(code);
    }
}

}  // namespace
}  // namespace tidemill::cli

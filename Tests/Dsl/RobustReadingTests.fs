/// What nobody writes on purpose, and what is too much: reading it ends soon, and with an error.
module CnnCluster.Tests.Dsl.RobustReadingTests

open System
open System.Diagnostics
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Tests.Comparisons
open CnnCluster.Tests.Dsl.Scripts

let private errors text =
    parse text
    |> snd
    |> List.map (fun d -> d.Span.Start.Line, d.Span.Start.Column, d.Message)

let private inNetwork text = errors ("network N {\n" + text + "\n}")

let private repeated (count: int) (text: string) = String.replicate count text

/// Text of about a mebibyte, made of one piece and the others around it.
let private mebibyte first piece last =
    let count =
        (1_048_576 - String.length first - String.length last) / String.length piece

    first + repeated count piece + last

/// Whether it is read in time, by the processor's time, which other programs lengthen little: at one of three times, since the
/// first one compiles. What is quadratic takes far longer for a mebibyte.
let private isReadWithin (seconds: float) text =
    use self = Process.GetCurrentProcess()

    let used () =
        self.Refresh()
        self.TotalProcessorTime

    let secondsToRead () =
        let before = used ()
        parse text |> ignore
        (used () - before).TotalSeconds

    Seq.exists (fun _ -> secondsToRead () < seconds) [ 1..3 ]

let private layers = "    conv 64 3x3 pad=same stride=2 relu as x # a comment\n\n"

let private bulk =
    [ "layers", mebibyte "network N {\n" layers "}"
      "networks", mebibyte "" ("network N {\n" + layers + "}\n") ""
      "branches", mebibyte "network N {\n" "add { conv 1 } { if a > 1 { relu } else { tanh } }\n" "}"
      "comments", mebibyte "network N {\n" "# a\n" "}"
      "comments inside a statement", mebibyte "network N {\nlet a = (1\n" "# a\n" ")\n}"
      "comments in front of a branch", mebibyte "network N {\nadd {}\n" "# a\n" "{}\n}"
      "blank lines", mebibyte "network N {\nrelu\n" "\n" "}"
      "a list", mebibyte "network N {\nconv [\n" "1 2 3\n" "]\n}"
      "wide margins", mebibyte "network N {\n" (repeated 5000 " " + repeated 1600 "a{}" + "\n") "}"
      "mistakes", mebibyte "network N {\n" "conv 6 5y5\n" "}"
      "nonsense", mebibyte "" "asdf ( [ { % = , 12x \" ) ]\n" ""
      "nonsense in braces", mebibyte "network N {\n" "}{ x( [ { % = , 12x \" ) ]\n" ""
      "opening brackets", mebibyte "network N {\n" "add {([\n" ""
      "closing brackets", mebibyte "" "}])\n" ""
      "one-character statements", mebibyte "network N {\n" ";a;=;1\n" "}"
      "comments of elsewhere", mebibyte "network N {\n" "// a\n/* b */ relu\n" "}"
      "an open comment of elsewhere", mebibyte "network N {\n" "/* \n" "}"
      "declarations without bodies", mebibyte "" "network\nblock b {\n" ""
      "open strings", mebibyte "" "import \"a\n" "" ]

[<Tests>]
let limits =
    testSequenced
    <| testList
        "Dsl.Parser limits"
        [ for name, text in bulk do
              test $"a mebibyte of {name} is read within three seconds" {
                  Expect.isTrue (isReadWithin 3.0 text) "three times it took longer"
              }
          test "a longer script is one error" {
              let text = mebibyte "network N {\n" layers "}" + repeated 200 "\n"
              let script, found = parse text
              Expect.isEmpty script.Declarations "nothing is read"

              Expect.equal
                  (List.map (Report.render (source text)) found)
                  [ "test.cnn:1:1: error: this file is too long for a script\n  expected at most 1 MiB" ]
                  "the report"
          }
          test "a longer line is one error, in its place, and is not shown whole" {
              let text =
                  "network N {\r\n# "
                  + repeated 9998 "x"
                  + "\r\n\tconv "
                  + repeated 9994 "1"
                  + "2\n}"

              let place =
                  { Offset = 12 + 10002 + 10001
                    Line = 3
                    Column = 10001 }

              match snd (parse text) with
              | [ one ] ->
                  Expect.equal one.Span.Start place "its place"
                  Expect.stringContains one.Message "this line is too long" "message"
                  Expect.isLessThan (Report.render (source text) one).Length 700 "the report"
              | other -> failtest $"{other}"
          }
          test "the longest lines and scripts are read" {
              Expect.isEmpty (inNetwork ("#" + repeated (Limits.LongestLine - 1) "x")) "line"
              let text = "network N {}\n"
              Expect.isEmpty (errors (text.PadRight(Limits.LongestScript, '\n'))) "script"
          }
          test "a line that indents make too long for the workers that read it is a mistake of who trains it" {
              let withLine length =
                  (training (plain.Replace("    input ", "# " + repeated (length - 2) "x" + "\n    input ")) []).Text

              Expect.equal (withLine (Limits.LongestLine - 4)) "" "the longest"

              Expect.stringContains
                  (withLine (Limits.LongestLine - 3))
                  "a line is too long in this script's canonical form: # xxx"
                  "one more"
          } ]

[<Tests>]
let robustness =
    testList
        "Dsl.Parser robustness"
        [ for name, text in
              [ "parentheses", "network N { conv " + repeated 20000 "(\n"
                "closed parentheses", "network N { conv " + repeated 5000 "(\n" + "1" + repeated 5000 "\n)" + " }"
                "lists", "network N { conv " + repeated 20000 "[\n"
                "calls", "network N { conv " + repeated 20000 "f(\n"
                "braces", "network N " + repeated 20000 "{ add\n"
                "closed braces", "network N " + repeated 5000 "{ add\n" + repeated 5000 "}"
                "else if", "network N { if a { }" + repeated 20000 "\n else if a { }" + " }" ] do
              test $"thousands of nested {name} are an error and no crash" {
                  let messages = errors text |> List.map (fun (_, _, message) -> message)
                  Expect.contains messages "brackets and branches nest at most 100 deep" "errors"
              }
          test "ninety levels are read" {
              Expect.isEmpty (inNetwork ("conv " + repeated 90 "(" + "1" + repeated 90 ")")) "errors"
          }
          for name, text in
              [ "not", "if (" + repeated 10000 "not\n" + "a) { }"
                "not, without parentheses", "if " + repeated 2000 "not " + "a { }"
                "minus", "conv (" + repeated 10000 "-\n" + "1)"
                "minus, without blanks", "conv " + repeated 9000 "-" + "1" ] do
              test $"chains of {name} are an error and no crash" {
                  Expect.isNonEmpty (inNetwork text) "errors"
                  Expect.isLessThan (inNetwork text).Length 3 "no more than where it begins and where it ends"
              }
          test "a line of thousands of arguments is read" {
              Expect.isEmpty (inNetwork ("conv " + repeated 4000 "1 ")) "errors"
          }
          test "an endless sum is refused" {
              match inNetwork ("conv (" + repeated 30000 "1 +\n" + "1)") with
              | [ _, _, message ] -> Expect.stringContains message "at most 1000 values" "message"
              | other -> failtest $"{other}"
          }
          test "sums in parentheses in sums, deeper than a stack, are an error and no crash" {
              let text =
                  repeated 90 "("
                  + "1"
                  + repeated 90 (repeated 900 "*1\n" + repeated 900 "+1\n" + ")")

              match inNetwork ("if (" + text + ") { }") with
              | [] -> failtest "it is read"
              | found ->
                  let last = found |> List.map (fun (_, _, message) -> message) |> List.last
                  Expect.stringContains last "operators deep" "message"
          }
          testProperty "any text is read to its end without an exception" (fun (NonNull text) -> parse text |> ignore)
          testPropertyWithConfig
              { FsCheckConfig.defaultConfig with
                  maxTest = 500 }
              "any broken script is read to its end without an exception"
              (Prop.forAll
                  (Arb.fromGen (
                      Gen.elements
                          [ "{"
                            "}"
                            "("
                            ")"
                            "["
                            "]"
                            "#"
                            "\n"
                            ";"
                            " "
                            "="
                            "-"
                            "*"
                            "\""
                            "\\"
                            "?x3"
                            "5x5"
                            "1e9"
                            ".."
                            ","
                            "network N"
                            "train N"
                            "block b"
                            "if a"
                            " else"
                            " else if"
                            "repeat"
                            "conv 6 3x3"
                            "not "
                            " and "
                            "as x"
                            "from"
                            "let n ="
                            "here.channels"
                            "relu("
                            "\r\n"
                            "\t"
                            "\uFFFF"
                            "\000"
                            "import" ]
                      |> Gen.listOf
                      |> Gen.map (String.concat "")
                  ))
                  (fun text -> parse text |> ignore))
          testProperty "random bytes are read to their end without an exception" (fun (bytes: byte[]) ->
              parse ("network N {" + Text.Encoding.Latin1.GetString bytes) |> ignore) ]

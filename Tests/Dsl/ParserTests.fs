module CnnCluster.Tests.Dsl.ParserTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Tests.Dsl.Scripts

let private statements text =
    match (tree ("network N {\n" + text + "\n}")).Declarations with
    | [ { Kind = Network(_, body) } ] -> body.Statements
    | other -> failwith $"one network was read as {other.Length} declarations"

let private statement text =
    match statements text with
    | [ one ] -> one
    | several -> failwith $"'{text}' was read as {several.Length} statements"

/// The arguments of `conv …`, as the printer writes them one by one.
let private arguments text =
    match (statement ("conv " + text)).Kind with
    | Use(_, arguments, _) ->
        [ for argument in arguments do
              match argument with
              | Positional value -> Printer.tight value
              | Keyword(name, value) -> name.Text + "=" + Printer.tight value
              | Branch body -> $"{{{body.Statements.Length}}}" ]
    | other -> failwith $"{other}"

let private value text =
    match (statement ("let x = " + text)).Kind with
    | Let(_, value) -> (placelessExpression value).Kind
    | other -> failwith $"{other}"

/// Line, column and message of each error.
let private errors text =
    parse text
    |> snd
    |> List.map (fun d -> d.Span.Start.Line, d.Span.Start.Column, d.Message)

let private inNetwork text = errors ("network N {\n" + text + "\n}")

[<Tests>]
let grammar =
    testList
        "Dsl.Parser grammar"
        [ for text, expected in
              [ "5", 5.0; "0.01", 0.01; "1e-4", 1e-4; "2E3", 2000.0; "9007199254740992", 9007199254740992.0 ] do
              test $"{text} is a number" { Expect.equal (value text) (Number expected) "value" }
          for text, expected in
              [ "5x5", [ Some 5; Some 5 ]
                "?x?x3", [ None; None; Some 3 ]
                "8x?x1", [ Some 8; None; Some 1 ]
                "1x2x3x4", [ Some 1; Some 2; Some 3; Some 4 ]
                "999999999x1", [ Some 999999999; Some 1 ] ] do
              test $"{text} is a size" { Expect.equal (value text) (Size expected) "value" }
          for text, expected in
              [ "a -1", [ "a"; "-1" ]
                "a-1", [ "a-1" ]
                "filters*4 3x3", [ "filters*4"; "3x3" ]
                "(filters * 4)", [ "(filters * 4)" ]
                "(a\n * b) 3", [ "(a * b)"; "3" ]
                "6 5x5 pad=same relu", [ "6"; "5x5"; "pad=same"; "relu" ]
                "6 pad=[1 2; 3 4]", [ "6"; "pad=[1 2; 3 4]" ]
                "6 [k 3] leakyrelu(0.1)", [ "6"; "[k 3]"; "leakyrelu(0.1)" ]
                "here.channels*2", [ "here.channels*2" ]
                "here.channels-k 3", [ "here.channels-k"; "3" ]
                "[1 2 1\n 2 4 2\n 1 2 1]/16", [ "[1 2 1; 2 4 2; 1 2 1]/16" ]
                "a -b", [ "a"; "-b" ]
                "{ } { relu }", [ "{0}"; "{1}" ]
                "\n{ relu }\n\n{ relu; relu }", [ "{1}"; "{2}" ] ] do
              test $"the arguments of 'conv {text}'" { Expect.equal (arguments text) expected "arguments" }
          test "a hyphen joins words, but subtracts behind a digit or a blank" {
              match statements "early-stop n-1 kernel-init=he" with
              | [ { Kind = Use(word, [ Positional { Kind = Binary(Subtract, _, _) }; Keyword(key, _) ], None) } ] ->
                  Expect.equal (word.Text, key.Text) ("early-stop", "kernel-init") "words"
              | other -> failtest $"{other}"
          }
          test "multiplication binds closer than addition, and both group from the left" {
              Expect.equal
                  (value "1+2*3-4")
                  (value "1 + 2 * 3 - 4")
                  "blanks do not matter in a statement's own expression"

              match value "1+2*3-4" with
              | Binary(Subtract, { Kind = Binary(Add, _, { Kind = Binary(Multiply, _, _) }) }, { Kind = Number 4.0 }) ->
                  ()
              | other -> failtest $"{other}"
          }
          test "or binds loosest, then and, then comparison, then not's operand" {
              match (statement "if a == 1 and not (b) or c != 2 { relu }").Kind with
              | If({ Kind = Binary(Or,
                                   { Kind = Binary(And, { Kind = Binary(Equal, _, _) }, { Kind = Unary(Not, _) }) },
                                   _) },
                   _,
                   None) -> ()
              | other -> failtest $"{other}"
          }
          test "if, else if and else, with line ends before else and braces" {
              match (statement "if a > 1\n{ relu }\nelse if a > 0 { tanh }\n\nelse\n{ elu }").Kind with
              | If(_,
                   _,
                   Some { Statements = [ { Kind = If(_,
                                                     _,
                                                     Some { Statements = [ { Kind = Use({ Text = "elu" }, _, _) } ] }) } ] }) ->
                  ()
              | other -> failtest $"{other}"
          }
          test "the three forms of repeat" {
              match
                  statements "repeat 3 { relu }\nrepeat i in 1..n { relu }\nrepeat a, b in [64 3; 128 4] { relu }"
              with
              | [ { Kind = Repeat([], { Kind = Number 3.0 }, None, _) }
                  { Kind = Repeat([ i ], { Kind = Number 1.0 }, Some { Kind = Word "n" }, _) }
                  { Kind = Repeat([ a; b ], { Kind = Matrix [ [ _; _ ]; [ _; _ ] ] }, None, _) } ] ->
                  Expect.equal [ i.Text; a.Text; b.Text ] [ "i"; "a"; "b" ] "names"
              | other -> failtest $"{other}"
          }
          test "names: as behind a layer and on its own line, from, output, let" {
              match statements "conv 6 3 as stem; as x; from stem; output y; let n = 4" with
              | [ { Kind = Use(_, _, Some { Text = "stem" }) }
                  { Kind = As { Text = "x" } }
                  { Kind = From { Text = "stem" } }
                  { Kind = Output { Text = "y" } }
                  { Kind = Let({ Text = "n" }, _) } ] -> ()
              | other -> failtest $"{other}"
          }
          test "a block with parameters over several lines, shared sets and imports" {
              let script =
                  tree "import \"a \\\"b\\\".cnn\"\nblock b(filters,\n stride = 1)\n{ }\nshared s { relu }"

              match script.Declarations |> List.map _.Kind with
              | [ Import("a \"b\".cnn", _); Block(_, [ { Default = None }; { Default = Some _ } ], _); Shared _ ] -> ()
              | other -> failtest $"{other}"
          }
          test "comments stay with the statement they precede or trail, and with the closing brace" {
              let script =
                  tree "# head\nnetwork N { # open\n relu # after\n # before\n tanh\n # close\n}\n# end"

              match script with
              | { Declarations = [ { Kind = Network(_, body)
                                     Comments = { Before = [ Comment "head" ] } } ]
                  Closing = [ Comment "end" ] } ->
                  Expect.equal
                      (body.Statements |> List.map _.Comments)
                      [ { Before = []; After = Some "after" }
                        { Before = [ Comment "before" ]
                          After = None } ]
                      "comments"

                  Expect.equal body.Opening (Some "open") "opening"
                  Expect.equal body.Closing [ Comment "close" ] "closing"
              | other -> failtest $"{other}"
          }
          test "Windows' and old line ends read as line feeds do, tabs as blanks" {
              let unix = placeless (tree lenet)
              Expect.equal (placeless (tree (lenet.Replace("\n", "\r\n")))) unix "CRLF"
              Expect.equal (placeless (tree (lenet.Replace("\n", "\r")))) unix "CR"
              Expect.equal (placeless (tree (lenet.Replace("    ", "\t")))) unix "tabs"
          } ]

[<Tests>]
let errorsOf =
    testList
        "Dsl.Parser errors"
        [ test "several errors in one script are all reported, each in its place" {
              let found =
                  errors
                      "network N {\n  conv 6 5y5\n  relu\n  conv 6 stride = 2\n}\ntrian N { }\ntrain N {\n  batch filters * 4\n}"
                  |> List.map (fun (line, column, _) -> line, column)

              Expect.equal found [ 2, 11; 4, 17; 6, 1; 8, 17 ] "lines and columns"
          }
          test "what cannot be read hides nothing that follows it" {
              let script, found = parse "network N {\n  conv 6 5y5\n  relu\n}\ntrain N { }"
              Expect.hasLength found 1 "errors"
              Expect.hasLength script.Declarations 2 "declarations"
          }
          for text, line, column, part in
              [ "conv 6 stride = 2", 2, 15, "key=value"
                "conv 6 stride= 2", 2, 15, "key=value"
                "conv filters * 4", 2, 14, "write a*b or (a * b)"
                "conv n - 1", 2, 8, "write a*b or (a * b)"
                "conv 5x5x", 2, 7, "glued"
                "conv 6 12345678901x3", 2, 8, "nine digits"
                "conv 6 3x3x12345678901", 2, 8, "nine digits"
                "conv ?x12345678901", 2, 6, "nine digits"
                "conv 1e999", 2, 11, "too large"
                "conv 6 \"a", 2, 10, "not expected"
                "else { relu }", 2, 5, "follows no 'if'"
                "conv %", 2, 6, "'%' is not expected"
                "if a > { relu }", 2, 8, "'{' is not expected"
                "if a { relu } else if > { relu }", 2, 23, "'>' is not expected"
                "if a { relu } else if 5y5 { relu }", 2, 24, "glued"
                "repeat { relu }", 2, 8, "'{' is not expected"
                "let 5 = 3", 2, 5, "'5' is not expected"
                "conv 6 as 5", 2, 11, "'5' is not expected" ] do
              test $"'{text}' is refused where it goes wrong" {
                  match inNetwork text with
                  | [ l, c, message ] ->
                      Expect.equal (l, c) (line, column) message
                      Expect.stringContains message part "message"
                  | other -> failtest $"{other}"
              }
          test "an unclosed brace is reported where it opens" {
              Expect.equal (errors "network N {\n  relu\n") [ 1, 11, "this '{' is never closed" ] "errors"
          }
          test "a stray brace is reported, and so is the next" {
              Expect.equal
                  (errors "network N { }\n}}\nnetwork M { }\n}")
                  [ 2, 1, "this '}' closes nothing"; 2, 2, "this '}' closes nothing"; 4, 1, "this '}' closes nothing" ]
                  "errors"
          }
          test "empty files and files of comments have nothing in them, and no errors" {
              for text in [ ""; "\n\n"; "\t \r\n"; ";" ] do
                  Expect.equal (tree text) { Declarations = []; Closing = [] } "empty"

              Expect.equal
                  (tree "# a\n# b")
                  { Declarations = []
                    Closing = [ Comment "a"; Comment "b" ] }
                  "comments"
          }
          test "an error's line is shown with the caret under it, whatever the line ends" {
              for lineEnd in [ "\n"; "\r\n"; "\r" ] do
                  let text = String.Join(lineEnd, [ "network N {"; "\tconv 6 5y5"; "}" ])

                  let report =
                      parse text |> snd |> List.map (Report.render (source text)) |> List.exactlyOne

                  Expect.stringContains report "\n  2 | \tconv 6 5y5\n    | \t        ^^" "report"
          } ]

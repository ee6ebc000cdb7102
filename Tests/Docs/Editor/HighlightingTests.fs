module CnnCluster.Tests.Docs.Editor.HighlightingTests

open System.IO
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open CnnCluster.Dsl
open CnnCluster.Dsl.Checking
open CnnCluster.Dsl.Layers
open CnnCluster.Dsl.Syntax
open CnnCluster.Tests
open CnnCluster.Tests.Docs
open CnnCluster.Tests.Docs.Editor

let private grammar = TextMate.read Highlighting.expected

/// What a script's word is shown as, by the line and column where it begins.
let private scopes text =
    let lines = TextMate.tokenize grammar text

    fun (span: Span) ->
        lines[span.Start.Line - 1]
        |> List.tryFind (fun token -> token.Start = span.Start.Column - 1)
        |> Option.map _.Scope

/// What the last line with `word` shows it as.
let private scopeIn (text: string) (word: string) =
    let lines = text.Split '\n'
    let line = lines |> Array.findIndexBack _.Contains(word)
    let column = lines[line].IndexOf word

    TextMate.tokenize grammar text
    |> fun tokens -> tokens[line]
    |> List.tryFind (fun token -> token.Start = column && token.Length = word.Length)
    |> Option.map _.Scope

/// Each rule's words where they belong.
let private places =
    Map
        [ "layer", (fun (word: string) -> $"network N {{\n    {word} 8\n}}")
          "activation", (fun (word: string) -> $"network N {{\n    {word}\n}}")
          "control", (fun (word: string) -> $"network N {{\n    {word} x\n}}")
          "word-operator", (fun (word: string) -> $"network N {{\n    if a {word} b {{ }}\n}}")
          "constant", (fun (word: string) -> $"network N {{\n    conv 8 3 pad={word}\n}}")
          "parameter-value", (fun (word: string) -> $"network N {{\n    conv 8 3 kernel-init={word}\n}}")
          "train-statement", (fun (word: string) -> $"train N {{\n    {word} 1\n}}")
          "choice", (fun (word: string) -> $"train N {{\n    optimizer {word}\n}}") ]

// ---- scripts ----

/// Every statement of a body, over all braces in it.
let rec private statements (body: Body) =
    [ for statement in body.Statements do
          statement

          match statement.Kind with
          | Use(_, arguments, _) ->
              for argument in arguments do
                  match argument with
                  | Branch branch -> yield! statements branch
                  | _ -> ()
          | If(_, yes, no) ->
              yield! statements yes
              yield! no |> Option.map statements |> Option.defaultValue []
          | Repeat(_, _, _, inner)
          | Defaults inner -> yield! statements inner
          | _ -> () ]

let private rule isTrain word =
    let among = List.map (fun (rule, words) -> rule, List.contains word words)

    among Highlighting.words
    |> List.filter snd
    |> List.map fst
    |> List.filter (fun rule -> (rule = "train-statement") = isTrain)
    |> List.tryFind (fun rule -> not (List.contains rule [ "choice"; "parameter-value"; "constant" ]))

/// The words and settings of a script that are shown as something else than they are.
let private wrong text =
    let script, _ = Parser.parse { File = ""; Text = text }
    let shown = scopes text

    let uses isTrain body =
        [ for statement in statements body do
              match statement.Kind with
              | Use(word, arguments, _) ->
                  let expected = rule isTrain word.Text |> Option.map Highlighting.scopeOf

                  if shown word.Span <> expected then
                      $"{word.Text} is {shown word.Span}"

                  for argument in arguments do
                      match argument with
                      | Keyword(key, _) when shown key.Span <> Some "entity.other.attribute-name.cnn" ->
                          $"{key.Text}= is {shown key.Span}"
                      | _ -> ()
              | _ -> () ]

    [ for declaration in script.Declarations do
          match declaration.Kind with
          | Network(name, body)
          | Shared(name, body) ->
              if shown name.Span <> Some "entity.name.type.cnn" then name.Text

              yield! uses false body
          | Block(name, _, body) ->
              if shown name.Span <> Some "entity.name.function.cnn" then name.Text

              yield! uses false body
          | Train(name, body) ->
              if shown name.Span <> Some "entity.name.type.cnn" then name.Text

              yield! uses true body
          | _ -> () ]

let private scripts =
    [ for path in Directory.GetFiles(Repository.file "examples", "*.cnn") do
          yield $"examples/{Path.GetFileName path}", File.ReadAllText path
      for language, line, text in Markdown.blocks (Markdown.lines "docs/language.md") do
          if language = "cnn" then
              yield $"docs/language.md, block at line {line}", text ]

[<Tests>]
let tests =
    testList
        "Docs.editor grammar"
        [ test "the grammar has the words of the catalogues" {
              Accepted.isCurrent Highlighting.path Highlighting.expected
          }
          for rule, words in Highlighting.words do
              test $"every word of '{rule}' is highlighted as what it is" {
                  for word in words do
                      Expect.equal (scopeIn (places[rule] word) word) (Some(Highlighting.scopeOf rule)) word
              }
          for name, text in scripts do
              test $"{name} is highlighted as it is meant" { Expect.isEmpty (wrong text) "words" }
          test "names that only contain a word are none" {
              for word in [ "convnet"; "conv_1"; "myconv"; "my-conv"; "conv-my"; "reluctant" ] do
                  Expect.isNone (scopeIn $"network N {{\n    {word} 8\n}}" word) word
          }
          test "a hyphen in front of a number subtracts" {
              Expect.equal (scopeIn "network N {\n    repeat count-1 { }\n}" "-") (Some "keyword.operator.cnn") "-"
              Expect.equal (scopeIn "network N {\n    repeat count-1 { }\n}" "1") (Some "constant.numeric.cnn") "1"
          }
          test "sizes, numbers, strings, comments, members and parameters" {
              let text =
                  "import \"a.cnn\" # why\nblock b(filters, stride = 1) {\n    conv here.channels*2 5x5 pad=0.5e-3\n    input ?x?x3\n}"

              for word, scope in
                  [ "\"", "string.quoted.double.cnn"
                    "# why", "comment.line.number-sign.cnn"
                    "import", "keyword.declaration.cnn"
                    "filters", "variable.parameter.cnn"
                    "stride", "variable.parameter.cnn"
                    "here", "variable.language.cnn"
                    "channels", "variable.other.member.cnn"
                    "5x5", "constant.numeric.size.cnn"
                    "?x?x3", "constant.numeric.size.cnn"
                    "0.5e-3", "constant.numeric.cnn"
                    "pad", "entity.other.attribute-name.cnn" ] do
                  Expect.equal (scopeIn text word) (Some scope) word
          }
          test "words in comments and strings are no words" {
              let tokens = TextMate.tokenize grammar "network N {\n    relu # conv 8\n}"
              Expect.equal [ for token in tokens[1] -> token.Start ] [ 4; 9 ] "the layer and the comment"
          } ]

// ---- the extension ----

let private folder = Repository.file "docs/editor/vscode"

let private json (name: string) =
    JsonNode.Parse(File.ReadAllText(Path.Combine(folder, name)))

/// A snippet as it stands in the script before anyone fills it in.
let private expanded (body: JsonNode) =
    let text = body.AsArray() |> Seq.map string |> String.concat "\n"
    Regex.Replace(Regex.Replace(text, @"\$\{\d+:([^}]*)\}", "$1"), @"\$\d+", "")

/// Declarations by themselves, statements in a network.
let private isRead text =
    let reads text =
        snd (Parser.parse { File = ""; Text = text }) |> List.isEmpty

    reads text || reads $"network N {{\n{text}\n}}"

[<Tests>]
let extension =
    testList
        "Docs.editor extension"
        [ test "the manifest names files that are there" {
              let manifest = json "package.json"
              let contributes = manifest["contributes"]

              let named =
                  [ string (manifest["main"])
                    for kind in [ "grammars"; "snippets" ] do
                        for entry in contributes[kind].AsArray() do
                            string (entry["path"])
                    for entry in contributes["languages"].AsArray() do
                        string (entry["configuration"]) ]

              for file in named do
                  Expect.isTrue (File.Exists(Path.Combine(folder, file))) file
          }
          test "the language's configuration is JSON" {
              let configuration = json "language-configuration.json"
              Expect.equal (string (configuration["comments"].["lineComment"])) "#" "comments"
          }
          for KeyValue(name, snippet) in (json "snippets/cnn.json").AsObject() do
              test $"the snippet '{name}' is a piece of a script" {
                  let text = expanded snippet["body"]
                  Expect.isTrue (isRead text) text
              } ]

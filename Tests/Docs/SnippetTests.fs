/// Runs every snippet of the documentation. A block's language says what is done with it:
/// `cnn [FILE]` is a whole script, which may be imported by its file's name and has no mistakes;
/// `cnn-fragment [SHAPE]` is statements of a network, on an input of this shape unless they begin with one;
/// `cnn-example` the same, and is run forward;
/// `cnn-train` is statements of a train part; what is required and missing is added;
/// `cnn-error` is a script whose messages the next block, `text`, holds;
/// `tensors` lists the weights and buffers of the script or fragment in front of it;
/// `console` holds commands behind `$`, and what they print; net.cnn is the script in front of it;
/// `ebnf` is the grammar, which has tests of its own.
module CnnCluster.Tests.Docs.SnippetTests

open System
open Expecto
open TorchSharp
open CnnCluster.Dsl
open CnnCluster.Tests
open CnnCluster.Tests.Cli
open CnnCluster.Tests.Docs
open CnnCluster.Tests.Dsl
open CnnCluster.Trainer.Training

type private Snippet =
    { Language: string
      Detail: string
      Line: int
      Text: string }

let private languages =
    [ "cnn"; "cnn-fragment"; "cnn-example"; "cnn-train"; "cnn-error"; "text"; "tensors"; "console"; "ebnf" ]

let private snippets path =
    [ for language, line, text in Markdown.blocks (Markdown.lines path) ->
          let words = language.Split(' ', 2)

          { Language = words[0]
            Detail = if words.Length > 1 then words[1] else ""
            Line = line
            Text = text } ]

let private language = lazy (snippets "docs/language.md")

let private ofLanguage name =
    language.Value |> List.filter (fun snippet -> snippet.Language = name)

/// The snippet in front of this one that is a script or a part of one.
let private scriptBefore (snippet: Snippet) =
    language.Value
    |> List.findBack (fun other ->
        other.Line < snippet.Line
        && List.contains other.Language [ "cnn"; "cnn-fragment"; "cnn-error" ])

let private wrapped (snippet: Snippet) =
    match snippet.Language, snippet.Detail with
    | "cnn-fragment", ""
    | "cnn-example", _ -> $"network Fragment {{\n{snippet.Text}\n}}"
    | "cnn-fragment", shape -> $"network Fragment {{ input {shape}\n{snippet.Text}\n}}"
    | _ -> snippet.Text

let private trainPart (text: string) =
    let missing =
        [ for statement in [ "data digits"; "loss cross-entropy"; "optimizer adam" ] do
              let word = statement.Split(' ')[0]

              if
                  not (
                      text.Split([| '\n'; ';' |])
                      |> Array.exists (fun line -> line.Trim().StartsWith word)
                  )
              then
                  statement ]

    let statements = String.Join('\n', missing @ [ text ])
    $"network N {{ input 28x28x1; flatten; dense 10 }}\ntrain N {{\n{statements}\n}}"

/// Scripts of the document that have a file's name can be imported by it.
let private importer =
    Importer(fun _ path ->
        match ofLanguage "cnn" |> List.tryFind (fun snippet -> snippet.Detail = path) with
        | Some snippet -> Readable { File = path; Text = snippet.Text }
        | None -> Unreadable "no snippet has this name")

let private check text =
    Script.Check({ File = "net.cnn"; Text = text }, TrainingCatalogues.All, importer)

let private isRight where text = Expect.equal (check text).Text "" where

let private plan text =
    let result =
        Script.Network({ File = "net.cnn"; Text = text }, null, [], TrainingCatalogues.All, importer)

    if result.HasErrors then failtest result.Text
    result.Value

/// The network, with open sides filled in.
let private closedPlan text =
    let filled =
        [ for input in (plan text).Inputs ->
              { input.Shape with
                  Sides = input.Shape.Sides |> List.map (Option.defaultValue 32 >> Some) } ]

    Script.Network({ File = "net.cnn"; Text = text }, null, filled, TrainingCatalogues.All, importer).Value

/// Every output of a forward pass over two samples of zeros has the shape that the plan says.
let private runs where text =
    let plan = closedPlan text
    use _ = torch.NewDisposeScope()
    let network, _ = Networks.networkOf plan 1UL
    network.Step <- Networks.step false 2L

    let batched (shape: Shape) =
        Array.append [| 2L; int64 shape.Channels |] [| for side in shape.Sides -> int64 side.Value |]

    let inputs =
        [| for input in plan.Inputs -> torch.zeros (batched input.Shape, dtype = Nullable torch.float64) |]

    for output, value in Seq.zip plan.Outputs (network.Run inputs) do
        Expect.equal value.shape (batched (plan.ShapeOf output.Source)) where
        Expect.isFalse (value.isnan().any().item<bool>()) $"{where}: numbers"

let private tensors text =
    let plan = plan text

    String.Join(
        '\n',
        [ for tensor in Seq.append plan.Weights plan.Buffers ->
              let sides = tensor.Shape |> Seq.map string |> String.concat " "
              $"{tensor.Name} ({sides})" ]
    )

/// Trailing blanks of tables are not worth keeping in a document.
let private trimmed (text: string) =
    String.Join('\n', text.Split '\n' |> Array.map _.TrimEnd()).Trim '\n'

/// Commands with what they print now.
let private consoleText snippet =
    Cnn.inFolder (fun folder ->
        for script in ofLanguage "cnn" do
            if script.Detail <> "" then
                Cnn.write folder script.Detail script.Text |> ignore

        Cnn.write folder "net.cnn" (wrapped (scriptBefore snippet)) |> ignore

        [ for line in snippet.Text.Split '\n' do
              if line.StartsWith "$ cnn " then
                  let result = Cnn.run folder (List.ofArray ((line.Substring 6).Split ' '))
                  line
                  trimmed (result.Output + result.Error) ]
        |> List.filter ((<>) "")
        |> String.concat "\n")

/// What a snippet must hold that is the answer to another; nothing for the others.
let private answer snippet =
    match snippet.Language with
    | "text" -> Some((check (scriptBefore snippet).Text).Text)
    | "tensors" -> Some(tensors (wrapped (scriptBefore snippet)))
    | "console" -> Some(consoleText snippet)
    | _ -> None

/// The document with its answers as they are now.
let answered (document: string list) =
    let answers =
        [ for snippet in language.Value do
              match answer snippet with
              | Some text when text <> snippet.Text -> snippet, text.Split '\n' |> List.ofArray
              | _ -> () ]

    (document, List.rev answers)
    ||> List.fold (fun lines (snippet, text) ->
        let before, rest = List.splitAt snippet.Line lines

        before
        @ text
        @ List.skipWhile (fun (line: string) -> not (line.StartsWith "```")) rest)

/// The last cells of tables that set other frameworks beside scripts, by the title of their column.
let private besides title =
    let rec scan inside (rows: string list list) =
        match rows with
        | [] -> []
        | row :: rest when List.last row = title -> scan true rest
        | row :: rest when inside && not (row.Head.StartsWith "-") -> List.last row :: scan true rest
        | _ :: rest -> scan inside rest

    Markdown.lines "docs/language.md"
    |> List.map (fun line -> if line.StartsWith '|' then line else "")
    |> String.concat "\n"
    |> fun text -> text.Split "\n\n"
    |> Array.map (fun table -> table.Split '\n' |> List.ofArray |> Markdown.rows |> scan false)
    |> List.concat

[<Tests>]
let tests =
    testList
        "Docs.snippets"
        [ test "every snippet is of a kind that a test runs" {
              for path in [ "docs/language.md"; "README.md" ] do
                  for snippet in snippets path do
                      let known = if path = "README.md" then "sh" :: "" :: languages else languages
                      Expect.contains known snippet.Language $"{path}, line {snippet.Line}"
          }
          test "whole scripts have no mistakes, in the reference and in the README" {
              let scripts =
                  snippets "README.md" |> List.filter (fun snippet -> snippet.Language = "cnn")

              Expect.isNonEmpty scripts "the README has one"

              for snippet in ofLanguage "cnn" @ scripts do
                  isRight $"line {snippet.Line}" snippet.Text
          }
          test "fragments have no mistakes" {
              for snippet in ofLanguage "cnn-fragment" do
                  isRight $"line {snippet.Line}" (wrapped snippet)
          }
          test "statements of train parts have no mistakes" {
              for snippet in ofLanguage "cnn-train" do
                  isRight $"line {snippet.Line}" (trainPart snippet.Text)
          }
          test "the examples of layers run, and give the shapes that they promise" {
              for snippet in ofLanguage "cnn-example" do
                  runs $"line {snippet.Line}" (wrapped snippet)
          }
          test "the examples of all words are right" {
              for entry in Reference.entries TrainingCatalogues.All do
                  let where = $"{entry.Kind.Title} {entry.Word}"

                  match entry.Kind with
                  | _ when entry.Example = "" -> ()
                  | EntryKind.Declaration -> isRight where entry.Example
                  | EntryKind.TrainStatement -> isRight where (trainPart entry.Example)
                  | _ -> closedPlan $"network Example {{\n{entry.Example}\n}}" |> ignore
          }
          test "every wrong script is followed by its messages" {
              for snippet in ofLanguage "cnn-error" do
                  let next = language.Value |> List.find (fun other -> other.Line > snippet.Line)
                  Expect.equal next.Language "text" $"line {snippet.Line}"
          }
          for kind, what in
              [ "text", "wrong scripts are told what the reference says"
                "tensors", "weights have the names and shapes that the reference says"
                "console", "commands print what the reference says" ] do
              test what {
                  for snippet in ofLanguage kind do
                      Expect.equal (Some snippet.Text) (answer snippet) $"line {snippet.Line}"
              }
          test "what stands beside Keras and PyTorch is right" {
              for title, script in
                  [ "cnn", (fun statements -> $"network Beside {{ input 28x28x16\n{statements}\n}}")
                    "cnn, in a train part", trainPart ] do
                  Expect.isNonEmpty (besides title) $"there are tables of '{title}'"

                  for statements in besides title do
                      isRight statements (script statements)
          } ]

/// The sections of the reference that are made from the catalogues, as Markdown.
module CnnCluster.Dsl.MarkdownReference

open System
open System.Text.RegularExpressions
open CnnCluster.Kernels.Optimization

/// Prose of the catalogues quotes what is written as messages do, which are no Markdown.
let private prose (text: string) =
    Regex.Replace(text, @"(?<!\w)'([^']+)'(?!\w)", "`$1`")

/// A bar inside a cell would end it.
let private cell (text: string) = (prose text).Replace("|", "\\|")

let private code text = $"`{text}`"

let private table (titles: string list) (rows: string list list) =
    let line cells =
        "| " + String.Join(" | ", cells |> List.map cell) + " |"

    line titles
    :: ("|" + String.replicate titles.Length "---|")
    :: [ for row in rows -> line row ]

/// A sentence behind another, where there is one.
let private joined (separator: string) (parts: string list) =
    String.Join(separator, parts |> List.filter (fun part -> part <> ""))

let private inParentheses text =
    if text = "" then "" else $"({text.TrimEnd '.'})"

// ---- entries with a section of their own ----

let private argumentTable title (entry: Entry) =
    match entry.Arguments with
    | [] -> []
    | arguments ->
        table
            [ title; "takes"; "default"; "what it is" ]
            [ for argument in arguments -> [ code argument.Name; argument.Takes; argument.Default; argument.Doc ] ]
        @ [ "" ]

let private points (entry: Entry) =
    [ for title, text in
          [ "Shape", entry.Shape; "Parameters", entry.Parameters; "Multiply-adds", entry.Cost; "Source", entry.Source ] do
          if text <> "" then yield prose $"- {title}: {text.TrimEnd '.'}."
      for note in entry.Notes do
          yield prose $"- {note}" ]

/// The statements of an example as the formatter writes them.
let private statements example =
    let script, _ =
        Parser.parse
            { File = ""
              Text = $"network Example {{ {example} }}" }

    (Printer.print script).TrimEnd().Split '\n'
    |> Array.filter (fun line -> line.StartsWith "    ")
    |> Array.map _.Substring(4)

/// A layer: heading, what it does, arguments, rules, example.
let private section (entry: Entry) =
    [ $"### {code entry.Word}"
      ""
      prose entry.Summary
      ""
      if entry.Formula <> "" then
          $"> {entry.Formula}"
          ""
      yield! argumentTable "argument" entry
      yield! points entry
      ""
      "```cnn-example"
      yield! statements entry.Example
      "```"
      "" ]

// ---- entries with a row each ----

let private defaultsOf (entry: Entry) =
    joined ", " [ for argument in entry.Arguments -> $"{code argument.Name} {argument.Default}" ]

let private settingText (argument: EntryArgument) =
    let said =
        [ Suggestion.phrase argument.Doc; argument.Takes ]
        |> List.filter ((<>) "")
        |> String.concat "; "

    $"{code argument.Name} {argument.Default}: {said}"

let private settingsOf (entry: Entry) =
    joined ". " (entry.Arguments |> List.map settingText)

let private formulaRow entry =
    [ code entry.Word; joined " " [ entry.Formula; inParentheses entry.Source ]; defaultsOf entry ]

let private numberedTable title (entries: Entry list) =
    table [ title; "formula"; "numbers" ] (entries |> List.map formulaRow)

let private formsOf (entry: Entry) =
    entry.Forms |> List.map code |> String.concat ", "

let private wordTable (entries: Entry list) =
    table
        [ "word"; "how it is written"; "what it does" ]
        [ for entry in entries -> [ code entry.Word; formsOf entry; joined " " (entry.Summary :: entry.Notes) ] ]

let private settingsTable title (entries: Entry list) =
    table
        [ title; "what it is"; "settings" ]
        [ for entry in entries ->
              [ code entry.Word
                joined " " (entry.Summary :: entry.Notes @ [ inParentheses entry.Source ])
                settingsOf entry ] ]

let private formulaTable title (entries: Entry list) =
    table
        [ title; "what it is"; "formula"; "settings" ]
        [ for entry in entries ->
              [ code entry.Word
                joined " " (entry.Summary :: entry.Notes)
                joined " " [ entry.Formula; inParentheses entry.Source ]
                settingsOf entry ] ]

/// What is Keras 3's of each optimizer and of batch normalisation, and where PyTorch differs.
let private conventions (entries: Entry list) =
    let defaults kind word names =
        let entry =
            entries |> List.find (fun entry -> entry.Kind = kind && entry.Word = word)

        { entry with
            Arguments = entry.Arguments |> List.filter (fun argument -> names argument.Name) }
        |> defaultsOf

    table
        [ "word"; "defaults, as Keras 3's"; "where ε stands"; "PyTorch, where it differs" ]
        [ for rule in UpdateRules.All do
              [ code rule.Name; defaults EntryKind.Optimizer rule.Name (fun _ -> true); rule.Epsilon; rule.PyTorch ]
          [ code "batchnorm"
            defaults EntryKind.Layer "batchnorm" (fun name -> name = "momentum" || name = "epsilon")
            + "; the running variance is the biased one"
            "under the root: √(σ² + ε)"
            "momentum 0.1, the share that is new; ε 1e-5; the running variance is unbiased" ] ]

let private dataTable (entries: Entry list) =
    table
        [ "data set"; "samples"; "shape"; "settings" ]
        [ for entry in entries -> [ code entry.Word; entry.Summary; entry.Shape; settingsOf entry ] ]

/// The statements of a train part, then the settings of those that have some.
let private trainStatements (entries: Entry list) =
    table
        [ "statement"; "default"; "what it says" ]
        [ for entry in entries -> [ formsOf entry; entry.Default; joined " " (entry.Summary :: entry.Notes) ] ]
    @ [ for entry in entries do
            if not entry.Arguments.IsEmpty then
                yield ""
                yield $"The settings of {code entry.Word}:"
                yield ""
                yield! argumentTable "setting" entry |> List.filter (fun line -> line <> "") ]

/// A way into the layers: each with what it does.
let private layerIndex (entries: Entry list) =
    table
        [ "layer"; "what it does" ]
        [ for entry in entries -> [ $"[{code entry.Word}](#{entry.Word})"; entry.Summary ] ]

/// The generated sections, by the names of their markers, as lines.
let sections (catalogues: Catalogues) : (string * string list) list =
    let entries = Reference.entries catalogues |> List.ofSeq

    let all kind =
        entries |> List.filter (fun entry -> entry.Kind = kind)

    [ "declarations", wordTable (all EntryKind.Declaration)
      "statements", wordTable (all EntryKind.Statement)
      "values", wordTable (all EntryKind.Value)
      "arguments", wordTable (all EntryKind.Argument)
      "layer-index", layerIndex (all EntryKind.Layer)
      "layers",
      all EntryKind.Layer
      |> List.collect section
      |> List.rev
      |> List.skipWhile ((=) "")
      |> List.rev
      "activations", numberedTable "activation" (all EntryKind.Activation)
      "initialisers", numberedTable "initialiser" (all EntryKind.Initialiser)
      "regularizers", numberedTable "regularizer" (all EntryKind.Regularizer)
      "fixed-kernels", settingsTable "kernel" (all EntryKind.FixedKernel)
      "train-statements", trainStatements (all EntryKind.TrainStatement)
      "losses", formulaTable "loss" (all EntryKind.Loss)
      "metrics", settingsTable "metric" (all EntryKind.Metric)
      "optimizers", settingsTable "optimizer" (all EntryKind.Optimizer)
      "conventions", conventions entries
      "schedules", formulaTable "schedule" (all EntryKind.Schedule)
      "data-sets", dataTable (all EntryKind.DataSet)
      "augmentations", settingsTable "augmentation" (all EntryKind.Augmentation) ]

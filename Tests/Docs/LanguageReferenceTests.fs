/// Keeps docs/language.md in step with the catalogues that it describes, and its examples right.
module CnnCluster.Tests.Docs.LanguageReferenceTests

open System.IO
open Expecto
open CnnCluster.Dsl
open CnnCluster.Dsl.Layers
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests
open CnnCluster.Tests.Docs
open CnnCluster.Trainer.Data
open CnnCluster.Trainer.Training

let private reference = Markdown.lines "docs/language.md"

let private table section =
    reference |> Markdown.section section |> Markdown.rows

let private row section name =
    match table section |> List.filter (fun cells -> cells.Head = name) with
    | [ cells ] -> cells
    | found -> failtest $"'{section}' has {found.Length} rows for '{name}'"

let private numbers arguments =
    [ for name, value in arguments -> name, Printer.number value ]

let private settings (settings: Setting seq) =
    [ for setting in settings do
          setting.Name,
          match setting.Kind, Option.ofNullable setting.Default with
          | _, None -> "required"
          | SettingKind.Flag, Some value -> if value = 0.0 then "no" else "yes"
          | _, Some value -> Printer.number value ]

/// Every word of every catalogue that has one table, with its settings and their defaults.
let private catalogues =
    [ "Activations", [ for a in Activation.all -> a.Name, numbers a.Arguments ]
      "Initialisers", [ for i in Initialiser.all -> i.Name, numbers i.Arguments ]
      "Regularizers", [ for r in Regularizer.all -> r.Name, numbers r.Arguments ]
      "Losses", [ for l in Loss.all -> l.Name, settings l.Settings ]
      "Metrics", [ for m in Metric.all -> m.Name, settings m.Settings ]
      "Optimizers", [ for o in UpdateRules.All -> o.Name, settings o.Settings ]
      "Schedules", [ for s in Schedules.All -> s.Name, settings s.Settings ]
      "Data sets", [ for d in DataSets.All -> d.Name, settings d.Settings ]
      "Augmentations", [ for a in Augmentations.All -> a.Name, settings a.Settings ] ]

/// An initialiser without arguments is the same object whenever it is made.
let private initialiserName value =
    Initialiser.all
    |> List.find (fun i -> List.isEmpty i.Arguments && obj.ReferenceEquals(i.Create [], value))
    |> _.Name

let private valueText value =
    match value with
    | WholeValue number -> string number
    | RealValue number -> Printer.number number
    | FlagValue yes -> if yes then "yes" else "no"
    | SizeValue sides -> sides |> List.map string |> String.concat "x"
    | PaddingValue Valid -> "valid"
    | PaddingValue Same -> "same"
    | PaddingValue(Sides _) -> failtest "no layer pads by numbers unless it is told to"
    | InitialiserValue initialiser -> initialiserName initialiser
    | WordValue word -> word
    | ShapeValue shape -> Shape.text shape
    | KernelValue _ -> failtest "no layer has a fixed kernel unless it is told to"
    | RegularizerValue regularizer ->
        Regularizer.all
        |> List.find (fun r -> List.isEmpty r.Arguments && r.Create [] = regularizer)
        |> _.Name

let private places = [ "first"; "second"; "third"; "fourth" ]

/// The default as the table of a layer has it: `2, first` for a positional argument.
let private defaultText (layer: LayerDefinition) (argument: ArgumentDefinition) =
    let value =
        match argument.Default with
        | Required -> "required"
        | RequiredWithout other -> $"required without {other}"
        | Optional -> "none"
        | Otherwise value -> valueText value
        | ArgumentDefault.As other -> $"as {other}"

    if argument.Positional then
        let order = layer.Arguments |> List.filter _.Positional |> List.map _.Name
        $"{value}, {places[List.findIndex ((=) argument.Name) order]}"
    else
        value

/// All scripts of a document, with where they stand.
let private scripts path =
    if File.Exists(Repository.file path) then
        [ for language, line, text in Markdown.blocks (Markdown.lines path) do
              if language = "cnn" then
                  { File = $"{path}, block at line {line}"
                    Text = text } ]
    else
        []

let private mistakes (source: Source) =
    let result = Script.Check(source, TrainingCatalogues.All)
    if result.Diagnostics.Count > 0 then Some result.Text else None

[<Tests>]
let tests =
    testList
        "Docs.language reference"
        [ for section, entries in catalogues do
              test $"{section}: every word has a row, with its settings and their defaults" {
                  for name, settings in entries do
                      let text = String.concat " | " (row section name)

                      for setting, value in settings do
                          Expect.isMatch text $@"\b{setting} {value}(?![\w.]*\w)" $"{name}: {setting}"
              }

              test $"{section}: no row is of a word that is not there" {
                  let written =
                      table section
                      |> List.map List.head
                      |> List.filter (fun word -> not (word.StartsWith "-"))
                      |> List.tail

                  Expect.isEmpty (List.except (List.map fst entries) written) "words"
              }
          for layer in Catalogue.layers do
              test $"{layer.Name}: the table has every argument, in order, with its default" {
                  let written =
                      match table layer.Name with
                      | [] -> []
                      | _header :: _rule :: rows -> [ for cells in rows -> cells[0], cells[2] ]
                      | _ -> failtest "a table without a rule"

                  let expected =
                      [ for argument in layer.Arguments -> argument.Name, defaultText layer argument ]

                  Expect.equal written expected "arguments and defaults"
              }
          test "the examples of the reference and of the README are right" {
              let all = scripts "docs/language.md" @ scripts "README.md"
              Expect.isNonEmpty all "there are examples"
              Expect.equal (List.choose mistakes all) [] "what the checker says"
          }
          test "the reference begins with the example of LeNet-5" {
              let first = List.head (scripts "docs/language.md")
              let plan = Script.Network(first, null, [], TrainingCatalogues.All).Value
              Expect.equal plan.Parameters 61706L "as the text says"
          } ]

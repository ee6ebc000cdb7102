/// What the TextMate grammar has from the catalogues.
module CnnCluster.Tests.Docs.Editor.Highlighting

open System
open System.IO
open System.Text.Encodings.Web
open System.Text.Json
open System.Text.Json.Nodes
open CnnCluster.Dsl
open CnnCluster.Dsl.Checking
open CnnCluster.Dsl.Layers
open CnnCluster.Kernels.Optimization
open CnnCluster.Tests
open CnnCluster.Trainer.Data

let path = "docs/editor/vscode/syntaxes/cnn.tmLanguage.json"
let current = File.ReadAllText(Repository.file path)

/// Words that arguments of layers may be, besides numbers.
let private choicesOfLayers =
    [ for layer in Catalogue.layers do
          for argument in layer.Arguments do
              match argument.Kind with
              | OneOf words -> yield! words
              | _ -> () ]

/// Words that settings of layers may be; what is a layer or an activation too is shown as that.
let private choices =
    (Initialiser.all |> List.map _.Name)
    @ List.map (fun (r: RegularizerDefinition) -> r.Name) Regularizer.all
    @ List.map (fun (k: FixedKernelDefinition) -> k.Name) FixedKernel.all
    @ choicesOfLayers

/// The grammar's word rules, with their words.
let words =
    [ "control", Words.names Words.statements @ [ "else"; "in" ]
      "word-operator", [ "and"; "or"; "not" ]
      "constant", Words.names Words.values |> List.except [ "here" ]
      "layer", Catalogue.layers |> List.map _.Name
      "activation", Activation.all |> List.map _.Name
      "parameter-value",
      choices
      |> List.except (Catalogue.layers |> List.map _.Name)
      |> List.except (Activation.all |> List.map _.Name)
      "train-statement", TrainStatements.all |> List.map _.Name
      "choice",
      [ for loss in Loss.all -> loss.Name
        for metric in Metric.all -> metric.Name
        for optimizer in UpdateRules.All -> optimizer.Name
        for schedule in Schedules.All -> schedule.Name
        for data in DataSets.All -> data.Name
        for augmentation in Augmentations.All -> augmentation.Name ] ]

/// A hyphen between letters belongs to a name: `n-1` subtracts, `data-1` does too, and `a-data` is another word.
let private pattern words =
    let alternatives = String.Join("|", words |> List.distinct |> List.sort)
    $@"(?<![\p{{L}}\p{{N}}_.]|\p{{L}}-)(?:{alternatives})(?![\p{{L}}\p{{N}}_]|-\p{{L}})"

let private format =
    JsonSerializerOptions(WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)

/// The grammar with the words of the catalogues as they are.
let expected =
    let grammar = JsonNode.Parse current

    for rule, list in words do
        grammar["repository"].[rule].["match"] <- JsonValue.Create(pattern list)

    grammar.ToJsonString format + "\n"

/// What a rule's words are shown as.
let scopeOf (rule: string) =
    let grammar = JsonNode.Parse current
    string (grammar["repository"].[rule].["name"])

/// All words of the language with what help and the reference say of them, read from the catalogues.
module CnnCluster.Dsl.Reference

open System.Collections.Generic
open CnnCluster.Dsl.EntryArguments
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

/// `conv FILTERS SIZE`, `maxpool [SIZE]`, `add VALUE VALUE …`: what may stand without a name.
let private layerForm (layer: LayerDefinition) =
    let positional =
        [ for argument in layer.Arguments do
              if argument.Positional then
                  let name = argument.Name.ToUpperInvariant()

                  match argument.Default with
                  | Required
                  | RequiredWithout _ -> name
                  | _ -> $"[{name}]" ]

    let operands =
        match layer.Operands with
        | One -> []
        | Several -> [ "VALUE"; "VALUE"; "…" ]

    String.concat " " (layer.Name :: operands @ positional)

let private ofLayer (layer: LayerDefinition) =
    let help = layer.Help

    { Entry.create EntryKind.Layer layer.Name [ layerForm layer ] help.Summary with
        Formula = help.Formula
        Arguments = layer.Arguments |> List.map (ofArgument layer)
        Shape = help.Shape
        Parameters = help.Parameters
        Cost = help.Cost
        Source = help.Source
        Notes = help.Notes
        Example = help.Example }

/// `leakyrelu(slope)`: a name with numbers in parentheses.
let private numbered kind name (arguments: NumberArgument list) =
    let form =
        match arguments |> List.map _.Name with
        | [] -> name
        | names -> name + "(" + String.concat ", " names + ")"

    { Entry.create kind name [ form ] "" with
        Arguments = ofNumbers arguments }

let private ofActivation (activation: ActivationDefinition) =
    { numbered EntryKind.Activation activation.Name activation.Arguments with
        Formula = activation.Formula
        Source = activation.Source
        Example = $"input 8x8x4; conv 4 3 {activation.Name}; {activation.Name}" }

let private ofInitialiser (initialiser: InitialiserDefinition) =
    { numbered EntryKind.Initialiser initialiser.Name initialiser.Arguments with
        Formula = initialiser.Formula
        Source = initialiser.Source
        Example = $"input 8x8x4; conv 4 3 kernel-init={initialiser.Name}" }

let private ofRegularizer (regularizer: RegularizerDefinition) =
    { numbered EntryKind.Regularizer regularizer.Name regularizer.Arguments with
        Summary = regularizer.Summary
        Formula = regularizer.Formula
        Example = $"input 8x8x4; conv 4 3 kernel-reg={regularizer.Name}" }

let private ofFixedKernel (kernel: FixedKernelDefinition) =
    { numbered EntryKind.FixedKernel kernel.Name kernel.Arguments with
        Summary = kernel.Summary
        Example = $"input 8x8x1; conv kernel={kernel.Name} pad=same" }

/// `sgd …`: a name with settings, chosen by a statement of a train part.
let private chosen kind statement name summary (settings: Setting seq) =
    { Entry.create kind name [ $"{statement} {name}" ] summary with
        Arguments = ofSettings settings }

let private ofStatement (statement: TrainStatement) =
    { statement.Entry with
        Arguments = statement.Entry.Arguments @ ofSettings statement.Settings }

let private comparedWith (comparison: Comparison) =
    let classes =
        match comparison.Classes with
        | NoOutput -> []
        | ElementForEach -> [ "classes" ]
        | ElementForEachOrOne -> [ "classes (two of them also in one element)" ]

    let numbers = if comparison.Numbers then [ "numbers" ] else []
    $"""Compares with {Suggestion.joined "or" (classes @ numbers)}."""

let private ofLoss (loss: LossDefinition) =
    { chosen EntryKind.Loss "loss" loss.Name loss.Summary loss.Settings with
        Formula = loss.Formula
        Source = loss.Source
        Notes = [ comparedWith loss.Compares ] }

let private ofMetric (metric: MetricDefinition) =
    { chosen EntryKind.Metric "metric" metric.Name metric.Summary metric.Settings with
        Notes = [ comparedWith metric.Compares ] }

let private ofDataSet (data: DataSetEntry) =
    let inputs =
        [ for input in data.Inputs -> $"'{input.Name}' {Shape.text input.Shape}" ]

    let targets =
        [ for target in data.Targets ->
              match target.Kind with
              | Classes count -> $"'{target.Name}', {count} classes"
              | Numbers 1 -> $"'{target.Name}', a number"
              | Numbers count -> $"'{target.Name}', {count} numbers" ]

    let listed = String.concat "; "

    { chosen EntryKind.DataSet "data" data.Name data.Summary data.Settings with
        Shape = $"inputs {listed inputs}; targets {listed targets}" }

/// Every word, catalogue by catalogue. A word with several meanings has several entries.
let entries (catalogues: Catalogues) : IReadOnlyList<Entry> =
    [ yield! Words.declarations
      yield! Words.statements
      yield! Words.values
      yield! Words.arguments
      yield! catalogues.Layers |> Seq.map ofLayer
      yield! Activation.all |> List.map ofActivation
      yield! Initialiser.all |> List.map ofInitialiser
      yield! Regularizer.all |> List.map ofRegularizer
      yield! FixedKernel.all |> List.map ofFixedKernel
      yield! TrainStatements.all |> List.map ofStatement
      yield! Loss.all |> List.map ofLoss
      yield! Metric.all |> List.map ofMetric
      for rule in UpdateRules.All do
          { chosen EntryKind.Optimizer "optimizer" rule.Name rule.Summary rule.Settings with
              Source = rule.Source }
      for schedule in Schedules.All do
          let entry =
              chosen EntryKind.Schedule "schedule" schedule.Name schedule.Summary schedule.Settings

          { entry with
              Arguments =
                  (if schedule.FollowsFigure then TrainStatements.figureWords else [])
                  @ entry.Arguments
              Formula = schedule.Formula }
      yield! catalogues.DataSets |> Seq.map ofDataSet
      for augmentation in catalogues.Augmentations do
          chosen EntryKind.Augmentation "augment" augmentation.Name augmentation.Summary augmentation.Settings ]

/// The entries of a word.
let named (entries: Entry seq) (word: string) : IReadOnlyList<Entry> =
    [ for entry in entries do
          if entry.Word = word then entry ]

/// An argument or setting, with the words that have it.
type ArgumentUse =
    { Argument: EntryArgument
      Entries: IReadOnlyList<Entry> }

/// The arguments and settings of a name; words that say the same of it together.
let withArgument (entries: Entry seq) (name: string) : IReadOnlyList<ArgumentUse> =
    let uses =
        [ for entry in entries do
              for argument in entry.Arguments do
                  if argument.Name = name then argument, entry ]

    [ for argument, pairs in List.groupBy fst uses ->
          { Argument = argument
            Entries = List.map snd pairs } ]

/// The known word that is closest to one that is not known; null if none is close.
let closest (entries: Entry seq) (word: string) : string | null =
    let words =
        [ for entry in entries do
              yield entry.Word
              for argument in entry.Arguments -> argument.Name ]

    Suggestion.closest word (List.distinct words) |> Option.toObj

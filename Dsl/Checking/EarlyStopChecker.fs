/// Checks `early-stop`.
module internal CnnCluster.Dsl.Checking.EarlyStopChecker

open System
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.TrainSettings
open CnnCluster.Kernels

let private earlyStopSettings =
    [ Setting.Whole("patience", 0.0, 0.0, 1e9, "Epochs without improvement after which to stop.")
      Setting.Real("min-delta", 0.0, 0.0, 1e30, "The least change that counts as an improvement.")
      Setting.Whole("start-from-epoch", 0.0, 0.0, 1e9, "Epochs to wait before watching.") ]

let private withoutEarlyStop: EarlyStop =
    { Monitor = "val_loss"
      Higher = false
      Patience = Nullable()
      MinDelta = 0.0
      Baseline = Nullable()
      StartFromEpoch = 0
      Restore = Restore.Last }

/// Splits off the settings whose values are words.
let wordSetting sink (key: string) (choices: string list) (arguments: Argument list) =
    let own, rest =
        arguments
        |> List.partition (function
            | Keyword(name, _) -> name.Text = key
            | _ -> false)

    let value =
        match own with
        | [] -> Some None
        | _ :: Keyword(second, _) :: _ -> fail sink second.Span $"'{key}' has a value already"
        | Keyword(_, { Kind = Word word; Span = span }) :: _ when List.contains word choices -> Some(Some(word, span))
        | Keyword(_, { Kind = Word word; Span = span }) :: _ ->
            { Diagnostic.error span $"'{word}' is no value for '{key}'" with
                Expected = Some(Suggestion.listed choices) }
            |> Suggestion.among choices word
            |> report sink

            None
        | Keyword(_, expression) :: _ ->
            expected sink expression.Span $"'{key}' takes a word" (Suggestion.listed choices)
        | _ -> None

    value, rest

let private baselineSetting sink (arguments: Argument list) =
    let own, rest =
        arguments
        |> List.partition (function
            | Keyword({ Text = "baseline" }, _) -> true
            | _ -> false)

    match own with
    | _ :: Keyword(second, _) :: _ -> fail sink second.Span "'baseline' has a value already", rest
    | Keyword(_, expression) :: _ -> number sink Scope.empty expression |> Option.map Nullable, rest
    | _ -> Some(Nullable()), rest

let private higherIsBetter (metrics: Chosen<MetricDefinition> list) (monitor: string) =
    metrics
    |> List.exists (fun m ->
        m.Definition.Higher
        && (monitor = "val_" + m.Definition.Name || monitor = "train_" + m.Definition.Name))

/// Words of the statement that are no settings of numbers, with what they take.
let private earlyStopWords =
    [ for name, doc in
          [ "monitor", "A figure of the epoch."
            "restore", "Which weights to end with."
            "mode", "Whether less or more is better."
            "baseline", "What the figure must beat." ] -> Setting.Real(name, 0.0, -1e30, 1e30, doc) ]

/// `known` is whether the metrics are as the script means them: an error in one is no error of what watches it.
let check sink known (metrics: Chosen<MetricDefinition> list) (found: Entry list) =
    match found with
    | [] -> Some withoutEarlyStop
    | entry :: _ ->
        let watched =
            if known then
                metrics |> List.map _.Definition.Name
            else
                Metric.all |> List.map _.Name

        let figures = "loss" :: watched

        let monitors =
            [ for part in [ "val_"; "train_" ] do
                  for figure in figures -> part + figure ]

        let monitor, rest = wordSetting sink "monitor" monitors entry.Arguments
        let restore, rest = wordSetting sink "restore" [ "best"; "last" ] rest
        let mode, rest = wordSetting sink "mode" [ "auto"; "min"; "max" ] rest
        let baseline, rest = baselineSetting sink rest

        let numbers =
            SettingBinder.bind sink "early-stop" entry.Word.Span (earlyStopWords @ earlyStopSettings) rest

        match monitor, restore, mode, baseline, numbers with
        | Some monitor, Some restore, Some mode, Some baseline, Some numbers ->
            let monitor = monitor |> Option.map fst |> Option.defaultValue "val_loss"

            Some
                { Monitor = monitor
                  Higher =
                    match Option.map fst mode with
                    | Some "max" -> true
                    | Some "min" -> false
                    | _ -> higherIsBetter metrics monitor
                  Patience = Nullable(int numbers["patience"])
                  MinDelta = numbers["min-delta"]
                  Baseline = baseline
                  StartFromEpoch = int numbers["start-from-epoch"]
                  Restore = if Option.map fst restore = Some "best" then Restore.Best else Restore.Last }
        | _ -> None

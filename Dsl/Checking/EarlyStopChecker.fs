/// Checks `early-stop`, and what else follows a figure of the epochs.
module internal CnnCluster.Dsl.Checking.EarlyStopChecker

open System
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.TrainSettings
open CnnCluster.Dsl.Checking.ObjectiveChecker
open CnnCluster.Kernels

let private withoutEarlyStop: EarlyStop =
    { Monitor = "val_loss"
      Higher = false
      Patience = Nullable()
      MinDelta = 0.0
      Baseline = Nullable()
      StartFromEpoch = 0
      Restore = Restore.Last }

/// A setting that takes one of these words; without any, it takes what is there.
let private wordSetting sink (key: string) (choices: string list) (arguments: Argument list) =
    let value, rest = SettingBinder.word sink key (Suggestion.listed choices) arguments

    match value with
    | Some(Some name) when not choices.IsEmpty && not (List.contains name.Text choices) ->
        { Diagnostic.error name.Span $"'{name.Text}' is no value for '{key}'" with
            Expected = Some(Suggestion.listed choices) }
        |> Suggestion.among choices name.Text
        |> report sink

        None, rest
    | _ -> value |> Option.map (Option.map _.Text), rest

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

let private higherIsBetter (objectives: Objectives) (monitor: string) =
    objectives.Metrics
    |> List.exists (fun metric ->
        metric.Chosen.Definition.Higher
        && (monitor = "val_" + metric.Figure || monitor = "train_" + metric.Figure))

/// The figures of an epoch that can be watched; none where they are not known.
let private monitors (objectives: Objectives) =
    [ if objectives.Known then
          for part in [ "val_"; "train_" ] do
              yield part + "loss"

              if objectives.Losses.Length > 1 then
                  for loss in objectives.Losses do
                      yield part + loss.Judge.Figure

              for metric in objectives.Metrics do
                  yield part + metric.Figure ]

/// The figure that `monitor` and `mode` name, and the other arguments.
let private figureOf sink (objectives: Objectives) (arguments: Argument list) =
    let monitor, rest = wordSetting sink "monitor" (monitors objectives) arguments
    let mode, rest = wordSetting sink "mode" [ "auto"; "min"; "max" ] rest

    let followed =
        Option.map2
            (fun monitor mode ->
                let figure = Option.defaultValue "val_loss" monitor

                { FigureName = figure
                  HigherIsBetter =
                    match mode with
                    | Some "max" -> true
                    | Some "min" -> false
                    | _ -> higherIsBetter objectives figure })
            monitor
            mode

    followed, rest

/// What a schedule follows, and its entry without the words that say so.
let followedBy sink objectives (entry: Entry) =
    let followed, rest = figureOf sink objectives entry.Arguments
    followed, { entry with Entry.Arguments = rest }

/// What is a word is taken away before the numbers are bound, and stands among the settings for the messages.
let private named (words: EntryArgument list) =
    [ for word in words -> Setting.Real(word.Name, 0.0, -1e30, 1e30, word.Doc) ]

/// The words of what follows a figure.
let wordsOfFigure = named TrainStatements.figureWords

let private settings =
    named TrainStatements.earlyStop.Entry.Arguments
    @ TrainStatements.earlyStop.Settings

let check sink (objectives: Objectives) (found: Entry list) =
    match found with
    | [] -> Some withoutEarlyStop
    | entry :: _ ->
        let followed, rest = figureOf sink objectives entry.Arguments
        let restore, rest = wordSetting sink "restore" [ "best"; "last" ] rest
        let baseline, rest = baselineSetting sink rest

        let numbers = SettingBinder.bind sink "early-stop" entry.Word.Span settings rest

        match followed, restore, baseline, numbers with
        | Some followed, Some restore, Some baseline, Some numbers ->
            Some
                { Monitor = followed.FigureName
                  Higher = followed.HigherIsBetter
                  Patience = Nullable(int numbers["patience"])
                  MinDelta = numbers["min-delta"]
                  Baseline = baseline
                  StartFromEpoch = int numbers["start-from-epoch"]
                  Restore = if restore = Some "best" then Restore.Best else Restore.Last }
        | _ -> None

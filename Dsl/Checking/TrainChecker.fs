/// Checks a `train` part as a whole and makes its plan.
module internal CnnCluster.Dsl.Checking.TrainChecker

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.TrainSettings
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

/// What the loss compares the output with: `target=input`, or the labels.
let private lossOf sink (entry: Entry) =
    let target, rest =
        EarlyStopChecker.wordSetting sink "target" [ "input"; "labels" ] entry.Arguments

    choose sink "loss" Loss.all _.Name (fun (l: LossDefinition) -> l.Settings) { entry with Arguments = rest }
    |> Option.bind (fun loss ->
        match target with
        | None -> None
        | Some(Some("input", span)) when not (List.contains InputItself loss.Definition.Targets) ->
            fail sink span $"'{loss.Definition.Name}' compares with labels, not with the input"
        | Some(Some("input", _)) -> Some(loss, InputItself)
        | Some _ -> Some(loss, Labels))

let private checkOutput sink (network: NetworkPlan) (data: DataSetEntry) target span =
    let output = network.OutputShape

    match target with
    | InputItself when output <> network.Inputs.Head.Shape ->
        expected
            sink
            span
            $"the network's output is {Shape.text output}, and its input {Shape.text network.Inputs.Head.Shape}"
            "an output of the input's shape, for target=input"
        |> ignore
    | Labels when output <> Shape.vector data.Classes ->
        expected
            sink
            span
            $"'{network.Name}' gives {Shape.text output}, but {data.Name} has {data.Classes} classes"
            $"a last layer of {data.Classes} units"
        |> ignore
    | _ -> ()

let private sampleShape (data: DataSetEntry) =
    { Channels = data.Channels
      Sides = [ Some data.Height; Some data.Width ] }

/// What the data set's samples fill in for a network's inputs, input by input.
let sampleShapes data = [ sampleShape data ]

let private checkInput sink (network: NetworkPlan) (data: DataSetEntry) span =
    let input = network.Inputs.Head.Shape

    if input <> sampleShape data then
        fail
            sink
            span
            $"the samples of {data.Name} are {Shape.text (sampleShape data)}, but '{network.Name}' takes {Shape.text input}"
        |> ignore

/// Metrics count labels that are met; a network that is to give its input back has none.
let private refuseMetrics sink target (found: Entry list) =
    if target = InputItself then
        for entry in found do
            fail sink entry.Span "a metric compares with labels, and the loss has target=input"
            |> ignore

let private warnOfAccumulation sink (network: NetworkPlan) (found: Entry list) steps =
    let normalised = network.Nodes |> List.exists (fun node -> node.Kind = "batchnorm")

    match found with
    | entry :: _ when steps > 1 && normalised ->
        report
            sink
            (Diagnostic.warning
                entry.Span
                "batch normalisation takes each of the accumulated batches by itself, not all of them together")
    | _ -> ()

let private required (sink: Sink) (part: Name) (body: Body) word example (found: Entry list) =
    // It may be what could not be read, and that was said.
    let unread (statement: Statement) =
        match statement.Kind with
        | Unread None -> true
        | Unread(Some first) -> first.Text = word
        | _ -> false

    match found with
    | entry :: _ -> Some entry
    | [] when List.exists unread body.Statements -> None
    | [] -> expected sink part.Span $"the train part '{part.Text}' has no '{word}'" example

let private metricsOf sink (loss: (Chosen<LossDefinition> * Target) option) (found: Entry list) =
    match found, loss with
    | [], Some({ Definition = { Name = "cross-entropy" } }, _) ->
        [ { Definition = Metric.accuracy
            Settings = SettingValues(Dictionary()) } ]
    | _ ->
        found
        |> List.choose (choose sink "metric" Metric.all _.Name (fun (m: MetricDefinition) -> m.Settings))

let private scheduleOf sink (found: Entry list) =
    match found with
    | [] ->
        Some
            { Definition = Schedules.All |> Seq.find (fun s -> s.Name = "constant")
              Settings = SettingValues(Dictionary()) }
    | entry :: _ -> choose sink "schedule" Schedules.All _.Name _.Settings entry

/// The part's data set, which fills in what the network's input leaves open.
let dataOf sink (catalogues: Catalogues) (name: Name) (body: Body) =
    entries (Sink()) body "data"
    |> required sink name body "data" "a data set, as in: data mnist"
    |> Option.bind (choose sink "data set" catalogues.DataSets _.Name _.Settings)

/// The plan of a train part for its network, or `None` if anything is wrong with it; every mistake is noted.
let check
    (sink: Sink)
    (catalogues: Catalogues)
    (network: NetworkPlan option)
    (name: Name)
    (body: Body)
    : TrainPlan option =
    let before = sink.Count
    let found = entries sink body
    let data = dataOf sink catalogues name body

    let lossEntry =
        required sink name body "loss" "a loss, as in: loss cross-entropy" (found "loss")

    let loss = lossEntry |> Option.bind (lossOf sink)
    let metrics = metricsOf sink loss (found "metric")

    let metricsKnown =
        loss.IsSome
        && (List.isEmpty (found "metric") || metrics.Length = (found "metric").Length)

    let optimizer =
        required sink name body "optimizer" "an optimizer, as in: optimizer sgd lr=0.01" (found "optimizer")
        |> Option.bind (choose sink "optimizer" UpdateRules.All _.Name _.Settings)

    let schedule = scheduleOf sink (found "schedule")
    let clipping = clippingOf sink (found "clip")
    let accumulate = wholeOf sink 1 1 (found "accumulate")
    let precision = precisionOf sink (found "precision")
    let batch = wholeOf sink 1 32 (found "batch")
    let epochs = wholeOf sink 1 1 (found "epochs")
    let seed = seedOf sink (found "seed")

    let earlyStop =
        EarlyStopChecker.check sink metricsKnown metrics (found "early-stop")

    let split = splitOf sink (found "validation")

    let augmentations =
        found "augment"
        |> List.choose (choose sink "augmentation" catalogues.Augmentations _.Name _.Settings)

    for entry in found "exact" do
        fail sink entry.Span "'exact' is not available in this version yet" |> ignore

    match network, data, loss with
    | Some network, Some data, Some(_, target) ->
        checkInput sink network data.Definition (found "data").Head.Span
        checkOutput sink network data.Definition target lossEntry.Value.Span
        refuseMetrics sink target (found "metric")
        warnOfAccumulation sink network (found "accumulate") (defaultArg accumulate 1)
    | _ -> ()

    let wrong = sink |> Seq.skip before |> Report.hasErrors

    match network, data, loss, optimizer, schedule, clipping with
    | Some network, Some data, Some(loss, target), Some optimizer, Some schedule, Some clipping when not wrong ->
        Some
            { Name = name.Text
              Network = network
              Data = data
              ValidationSplit = split.Value
              Loss = loss
              Target = target
              Metrics = metrics
              Augmentations = augmentations
              Optimizer = optimizer
              Schedule = schedule
              Clipping = clipping |> Option.toObj
              Accumulate = accumulate.Value
              Precision = precision.Value
              Batch = batch.Value
              Epochs = epochs.Value
              EarlyStop = earlyStop.Value
              Seed = seed.Value }
    | _ -> None

/// Checks a `train` part as a whole and makes its plan.
module internal CnnCluster.Dsl.Checking.TrainChecker

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.TrainSettings
open CnnCluster.Dsl.Checking.ObjectiveReader
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

let private warnOfAccumulation sink (network: NetworkPlan) (found: Entry list) steps =
    match found, network.Nodes |> List.tryFind _.Layer.UsesBatch with
    | entry :: _, Some node when steps > 1 ->
        report
            sink
            (Diagnostic.warning
                entry.Span
                $"'{node.Kind}' takes each of the accumulated batches by itself, not all of them together")
    | _ -> ()

/// A worker's own statistics differ with the number of workers, and those that it keeps are lost with it.
let private refuseStatisticsOfWorkers sink (network: NetworkPlan) (found: Entry list) =
    let isAlone (node: PlanNode) =
        node.Layer.UsesBatch
        && node.Arguments
           |> List.exists (fun argument ->
               match argument.Definition.Name, argument.Value with
               | "sync", FlagValue false -> true
               | _ -> false)

    match found, List.tryFind isAlone network.Nodes with
    | entry :: _, Some node ->
        expected
            sink
            entry.Span
            $"'{node.Path}' has sync=no: its statistics are each worker's own, and differ with the number of workers"
            "batchnorm with sync=yes, or a train part without 'exact'"
        |> ignore
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

let private constantSchedule =
    lazy
        (let definition = Schedules.All |> Seq.find (fun s -> s.Name = "constant")

         let standard =
             dict [ for setting in definition.Settings -> setting.Name, setting.Default.Value ]

         { Definition = definition
           Settings = SettingValues(Dictionary standard) })

/// The schedule, and the figure that it follows if it is one that does.
let private scheduleOf sink objectives (found: Entry list) =
    let chosen = choose sink "schedule" Schedules.All _.Name

    match found with
    | [] -> Some(constantSchedule.Value, None)
    | { Arguments = Positional { Kind = Word name } :: _ } as entry :: _ when
        Schedules.All |> Seq.exists (fun s -> s.Name = name && s.FollowsFigure)
        ->
        let followed, rest = EarlyStopChecker.followedBy sink objectives entry

        chosen (fun schedule -> [| yield! schedule.Settings; yield! EarlyStopChecker.wordsOfFigure |]) rest
        |> Option.map2 (fun followed schedule -> schedule, Some followed) followed
    | entry :: _ -> chosen _.Settings entry |> Option.map (fun schedule -> schedule, None)

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

    let subject =
        Option.map2
            (fun network (data: Chosen<DataSetEntry>) ->
                { Network = network
                  Data = data.Definition })
            network
            data

    required sink name body "loss" "a loss, as in: loss cross-entropy" (found "loss")
    |> ignore

    let objectives =
        ObjectiveChecker.check sink name subject (found "loss") (found "metric")

    let optimizer =
        required sink name body "optimizer" "an optimizer, as in: optimizer sgd lr=0.01" (found "optimizer")
        |> Option.bind (choose sink "optimizer" UpdateRules.All _.Name _.Settings)

    let schedule = scheduleOf sink objectives (found "schedule")
    let clipping = clippingOf sink (found "clip")
    let accumulate = wholeOf sink 1 1 (found "accumulate")
    let precision = precisionOf sink (found "precision")
    let batch = wholeOf sink 1 32 (found "batch")
    let epochs = wholeOf sink 1 1 (found "epochs")
    let seed = seedOf sink (found "seed")
    let shards = shardsOf sink (found "exact")

    let earlyStop = EarlyStopChecker.check sink objectives (found "early-stop")

    let split = splitOf sink (found "validation")

    let augmentations =
        found "augment"
        |> List.choose (choose sink "augmentation" catalogues.Augmentations _.Name _.Settings)

    let sources =
        subject
        |> Option.bind (fun s -> DataChecker.check sink (found "data").Head.Span s.Network s.Data)

    match network with
    | Some network ->
        warnOfAccumulation sink network (found "accumulate") (defaultArg accumulate 1)
        refuseStatisticsOfWorkers sink network (found "exact")
    | None -> ()

    let wrong = sink |> Seq.skip before |> Report.hasErrors

    match network, data, sources, optimizer, schedule, clipping with
    | Some network, Some data, Some sources, Some optimizer, Some(schedule, followed), Some clipping when not wrong ->
        Some
            { Name = name.Text
              Network = network
              Data = data
              ValidationSplit = split.Value
              InputSources = sources
              Losses = objectives.Losses
              Metrics = objectives.Metrics
              Augmentations = augmentations
              Optimizer = optimizer
              Schedule = schedule
              Followed = followed |> Option.toObj
              Clipping = clipping |> Option.toObj
              Accumulate = accumulate.Value
              Precision = precision.Value
              Batch = batch.Value
              Epochs = epochs.Value
              EarlyStop = earlyStop.Value
              Seed = seed.Value
              Shards = shards.Value |> Option.toNullable }
    | _ -> None

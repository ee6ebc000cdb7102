/// Checks a `train` part and makes its plan.
module internal CnnCluster.Dsl.Checking.TrainChecker

open System
open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Kernels
open CnnCluster.Kernels.Optimization

/// One statement of the part.
type Entry =
    { Word: Name
      Arguments: Argument list
      Span: Span }

/// What may stand in a part, and whether more than once.
let private words =
    [ "data", false
      "loss", false
      "metric", true
      "validation", false
      "augment", true
      "optimizer", false
      "schedule", false
      "clip", false
      "accumulate", false
      "precision", false
      "batch", false
      "epochs", false
      "early-stop", false
      "seed", false
      "exact", false ]

/// Sorts the statements by their words; what has no place here is noted.
let private entries (sink: Sink) (body: Body) =
    let found = Dictionary<string, ResizeArray<Entry>>()

    let add (word: Name) arguments span =
        match words |> List.tryFind (fun (known, _) -> known = word.Text) with
        | None ->
            Diagnostic.error word.Span $"'{word.Text}' is no setting of a train part"
            |> Suggestion.amongOrAll (List.map fst words) word.Text
            |> report sink
        | Some(_, false) when found.ContainsKey word.Text ->
            let first = (Seq.head found[word.Text]).Word.Span.Start.Line
            report sink (Diagnostic.error word.Span $"'{word.Text}' stands on line {first} already")
        | Some _ ->
            let entry =
                { Word = word
                  Arguments = arguments
                  Span = span }

            match found.TryGetValue word.Text with
            | true, list -> list.Add entry
            | _ -> found.Add(word.Text, ResizeArray [ entry ])

    for statement in body.Statements do
        match statement.Kind with
        | Use(word, arguments, None) -> add word arguments statement.Span
        | Unread _ -> ()
        | _ -> expected sink statement.Span "this has no place in a train part" "settings, such as: batch 32" |> ignore

    fun word ->
        match found.TryGetValue word with
        | true, list -> List.ofSeq list
        | _ -> []

/// `optimizer sgd lr=0.01`: an entry of a catalogue and its settings.
let private choose sink what (catalogue: 'D seq) (nameOf: 'D -> string) (settingsOf: 'D -> IReadOnlyList<Setting>) (entry: Entry) =
    let names = catalogue |> Seq.map nameOf |> List.ofSeq

    match entry.Arguments with
    | Positional { Kind = Word word; Span = span } :: rest ->
        match catalogue |> Seq.tryFind (fun d -> nameOf d = word) with
        | Some definition ->
            SettingBinder.bind sink word span (settingsOf definition) rest
            |> Option.map (fun settings ->
                { Definition = definition
                  Settings = settings })
        | None ->
            { Diagnostic.error span $"no {what} is called '{word}'" with
                Expected = Some(Suggestion.listed names) }
            |> Suggestion.among names word
            |> report sink

            None
    | _ -> expected sink entry.Span $"'{entry.Word.Text}' stands without a name" (Suggestion.listed names)

/// `batch 32`: one whole number.
let private wholeOf sink least otherwise (found: Entry list) =
    match found with
    | [] -> Some otherwise
    | entry :: _ ->
        match entry.Arguments with
        | [ Positional value ] -> whole sink Scope.empty least value
        | _ -> expected sink entry.Span $"'{entry.Word.Text}' takes one number" $"{entry.Word.Text} {otherwise}"

let private seedOf sink (found: Entry list) =
    match found with
    | [] -> Some 0UL
    | entry :: _ ->
        match entry.Arguments with
        | [ Positional value ] ->
            number sink Scope.empty value
            |> Option.bind (fun seed ->
                if seed >= 0.0 && seed = floor seed && seed <= 9007199254740992.0 then
                    Some(uint64 seed)
                else
                    expected sink value.Span $"{Printer.number seed} is no seed" "a whole number from 0 to 2^53")
        | _ -> expected sink entry.Span "'seed' takes one number" "seed 42"

let private precisionOf sink (found: Entry list) =
    match found with
    | [] -> Some Precision.Float32
    | entry :: _ ->
        match entry.Arguments with
        | [ Positional { Kind = Word "float32" } ] -> Some Precision.Float32
        | [ Positional { Kind = Word "float64" } ] -> Some Precision.Float64
        | [ Positional { Kind = Word("bfloat16" | "float16" as word)
                         Span = span } ] -> fail sink span $"precision '{word}' is not available in this version yet"
        | _ -> expected sink entry.Span "'precision' takes the type to compute with" "float32 or float64"

let private settingsOf sink (entry: Entry) (settings: Setting list) =
    SettingBinder.bind sink entry.Word.Text entry.Word.Span settings entry.Arguments

let private splitOf sink (found: Entry list) =
    let settings = [ Setting.Real("split", Nullable(), 0.0001, 0.9999, "The share of the training samples to validate on.") ]

    match found with
    | [] -> Some 0.0
    | entry :: _ -> settingsOf sink entry settings |> Option.map (fun values -> values["split"])

let private clippingOf sink (found: Entry list) : GradientClipping option option =
    let settings =
        [ for name, doc in
              [ "value", "Each element's bound."
                "norm", "The bound of each weight's gradient norm."
                "global-norm", "The bound of the whole gradient's norm." ] ->
              Setting.Real(name, 0.0, 1e-30, 1e30, doc) ]

    match found with
    | [] -> Some None
    | entry :: _ ->
        settingsOf sink entry settings
        |> Option.bind (fun values ->
            match values["value"], values["norm"], values["global-norm"] with
            | limit, 0.0, 0.0 when limit > 0.0 -> Some(Some(GradientClipping(ClippingKind.Value, limit)))
            | 0.0, limit, 0.0 when limit > 0.0 -> Some(Some(GradientClipping(ClippingKind.Norm, limit)))
            | 0.0, 0.0, limit when limit > 0.0 -> Some(Some(GradientClipping(ClippingKind.GlobalNorm, limit)))
            | _ -> expected sink entry.Span "'clip' takes one bound" "value=…, norm=… or global-norm=…")

// ---- early stopping ----

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
let private wordSetting sink (key: string) (choices: string list) (arguments: Argument list) =
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
        | Keyword(_, expression) :: _ -> expected sink expression.Span $"'{key}' takes a word" (Suggestion.listed choices)
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
    |> List.exists (fun m -> m.Definition.Higher && (monitor = "val_" + m.Definition.Name || monitor = "train_" + m.Definition.Name))

/// Words of the statement that are no settings of numbers, with what they take.
let private earlyStopWords =
    [ for name, doc in
          [ "monitor", "A figure of the epoch."
            "restore", "Which weights to end with."
            "mode", "Whether less or more is better."
            "baseline", "What the figure must beat." ] ->
          Setting.Real(name, 0.0, -1e30, 1e30, doc) ]

/// `known` is whether the metrics are as the script means them: an error in one is no error of what watches it.
let private earlyStopOf sink known (metrics: Chosen<MetricDefinition> list) (found: Entry list) =
    match found with
    | [] -> Some withoutEarlyStop
    | entry :: _ ->
        let watched =
            if known then
                metrics |> List.map _.Definition.Name
            else
                Metric.all |> List.map _.Name

        let figures = "loss" :: watched
        let monitors = [ for part in [ "val_"; "train_" ] do for figure in figures -> part + figure ]
        let monitor, rest = wordSetting sink "monitor" monitors entry.Arguments
        let restore, rest = wordSetting sink "restore" [ "best"; "last" ] rest
        let mode, rest = wordSetting sink "mode" [ "auto"; "min"; "max" ] rest
        let baseline, rest = baselineSetting sink rest
        let numbers = SettingBinder.bind sink "early-stop" entry.Word.Span (earlyStopWords @ earlyStopSettings) rest

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
                  Restore =
                    if Option.map fst restore = Some "best" then
                        Restore.Best
                    else
                        Restore.Last }
        | _ -> None

// ---- how the parts fit together ----

/// What the loss compares the output with: `target=input`, or the labels.
let private lossOf sink (entry: Entry) =
    let target, rest = wordSetting sink "target" [ "input"; "labels" ] entry.Arguments

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

let sampleShape (data: DataSetEntry) =
    { Channels = data.Channels
      Sides = [ Some data.Height; Some data.Width ] }

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
            fail sink entry.Span "a metric compares with labels, and the loss has target=input" |> ignore

let private warnOfAccumulation sink (network: NetworkPlan) (found: Entry list) steps =
    let normalised = network.Nodes |> List.exists (fun node -> node.Kind = "batchnorm")

    match found with
    | entry :: _ when steps > 1 && normalised ->
        report
            sink
            (Diagnostic.warning entry.Span "batch normalisation takes each of the accumulated batches by itself, not all of them together")
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
let check (sink: Sink) (catalogues: Catalogues) (network: NetworkPlan option) (name: Name) (body: Body) : TrainPlan option =
    let before = sink.Count
    let found = entries sink body
    let data = dataOf sink catalogues name body
    let lossEntry = required sink name body "loss" "a loss, as in: loss cross-entropy" (found "loss")
    let loss = lossEntry |> Option.bind (lossOf sink)
    let metrics = metricsOf sink loss (found "metric")
    let metricsKnown = loss.IsSome && (List.isEmpty (found "metric") || metrics.Length = (found "metric").Length)

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
    let earlyStop = earlyStopOf sink metricsKnown metrics (found "early-stop")
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

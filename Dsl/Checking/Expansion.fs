/// Blocks and shared sets, put in where they are used.
module internal CnnCluster.Dsl.Checking.Expansion

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared
open CnnCluster.Dsl.Checking.NetworkBuilder
open CnnCluster.Dsl.Checking.Placement
open CnnCluster.Dsl.Checking.Merging
open CnnCluster.Dsl.Checking.UnitArguments

/// Errors inside a unit tell where it was used.
let private traced (builder: Builder) (word: Name) action =
    let before = builder.Sink.Count
    let result = action ()

    for i in before .. builder.Sink.Count - 1 do
        let diagnostic = builder.Sink[i]

        builder.Sink[i] <-
            { diagnostic with
                Uses = diagnostic.Uses @ [ word.Text, word.Span ] }

    result

/// Units within units: deeper than any network needs.
[<Literal>]
let private Deepest = 50

let private expand (builder: Builder) flow (run: Runner) (declared: Declared) (word: Name) frame given =
    let parameters =
        match declared.Unit with
        | Fresh parameters -> parameters
        | Common -> []

    traced builder word (fun () ->
        let inner =
            bindParameters
                builder
                parameters
                given
                { flow with
                    Names = Map.empty
                    Values = Map.empty
                    Frozen = flow.Frozen || given.Frozen
                    Incomplete = false
                    Frame = frame }

        (run inner declared.Body).Here)

/// What must agree between the uses of a shared set.
let private ownership (nodes: PlanNode seq) =
    [ for node in nodes ->
          node.Owner,
          [ for weight in node.Layer.Weights -> weight.Name, weight.Shape, weight.Trainable ],
          [ for buffer in node.Layer.Buffers -> buffer.Name, buffer.Shape ] ]

let private misfit (builder: Builder) (word: Name) (first: SharedSet) (shape: Shape) =
    expected
        builder.Sink
        word.Span
        $"the weights of '{word.Text}' are for {Shape.text first.Input}, as at {Report.place first.Place}; here the value is {Shape.text shape}"
        "a value of the same channels, or a 'block', which has weights of its own at every use"
    |> ignore

    Unknown

/// Channels fit, but a layer within has weights that depend on the sides.
let private innerMisfit (builder: Builder) (word: Name) (first: SharedSet) own again (shape: Shape) =
    let inner =
        List.zip (List.truncate (List.length again) own) (List.truncate (List.length own) again)
        |> List.tryFind (fun (a, b) -> a <> b)
        |> Option.map (fun ((owner: string, _, _), _) -> $" ('{owner}' is where they differ)")
        |> Option.defaultValue ""

    expected
        builder.Sink
        word.Span
        $"the weights of '{word.Text}' are for {Shape.text first.Input}, as at {Report.place first.Place}; here the value is {Shape.text shape}{inner}"
        "a value of the same sides, or a 'block', which has weights of its own at every use"
    |> ignore

    Unknown

/// The same value, and yet other weights: of what else uses may differ in, only what is trained is left.
let private otherwise (builder: Builder) (word: Name) (first: SharedSet) =
    expected
        builder.Sink
        word.Span
        $"the weights of '{word.Text}' are trained at one of its uses and not at another, as at {Report.place first.Place}"
        "'frozen' at all of its uses or at none: the weights are the same"
    |> ignore

    Unknown

/// Later uses compute with the first one's weights.
let private useAgain (builder: Builder) flow run declared (word: Name) given (first: SharedSet) (value: Flowing) =
    if
        value.Shape.Channels <> first.Input.Channels
        || value.Shape.Rank <> first.Input.Rank
    then
        misfit builder word first value.Shape
    else
        first.Uses <- first.Uses + 1
        let start = builder.Nodes.Count

        let frame = Frame.within flow.Frame $"{word.Text}@{first.Uses}" word.Text word.Text

        let here = expand builder flow run declared word frame given

        let own =
            ownership (builder.Nodes |> Seq.skip first.FirstNode |> Seq.truncate first.Count)

        let again = ownership (builder.Nodes |> Seq.skip start)

        match here with
        | Known _ when own <> again && value.Shape = first.Input -> otherwise builder word first
        | Known _ when own <> again -> innerMisfit builder word first own again value.Shape
        | _ -> here

let private useFirst (builder: Builder) flow run declared (word: Name) given (value: Flowing) =
    let start = builder.Nodes.Count

    let frame = Frame.within flow.Frame word.Text word.Text word.Text
    let here = expand builder flow run declared word frame given

    builder.Shared[word.Text] <-
        { Input = value.Shape
          Place = word.Span
          FirstNode = start
          Count = builder.Nodes.Count - start
          Uses = 1 }

    here

let private expandUnit (builder: Builder) flow run (declared: Declared) (word: Name) given =
    match declared.Unit, flow.Here with
    | _ when flow.Frame.Units.Length >= Deepest ->
        fail builder.Sink word.Span $"blocks use one another more than {Deepest} deep here"
        |> ignore

        Unknown
    | Fresh _, _ ->
        let outer = flow.Frame
        let name = Frame.number outer word.Text

        let frame =
            Frame.within outer $"{outer.Prefix}{name}" $"{outer.Owner}{name}" word.Text

        expand builder flow run declared word frame given
    | Common, Known value ->
        match builder.Shared.TryGetValue word.Text with
        | true, first -> useAgain builder flow run declared word given first value
        | _ -> useFirst builder flow run declared word given value
    | Common, _ -> Unknown

/// A use of a block or a shared set, with an activation behind it perhaps.
let useUnit (builder: Builder) flow (run: Runner) (declared: Declared) (word: Name) span arguments =
    builder.Sink.Used.Add declared.Name.Span |> ignore

    let parameters =
        match declared.Unit with
        | Fresh parameters -> parameters
        | Common -> []

    let given = takeAll builder flow word parameters arguments

    let bringsValue =
        given.Values
        |> Map.exists (fun _ value ->
            match value with
            | Some(OfValue _) -> true
            | _ -> false)

    // Recursion was refused where the blocks were read.
    if
        List.contains word.Text flow.Frame.Units
        || not (complete builder word parameters given)
    then
        Unknown
    elif flow.Here = Undefined && not bringsValue then
        noInput builder word
    else
        let here = expandUnit builder flow run declared word given

        match given.Activation with
        | None -> here
        | Some expression ->
            match Conversion.activation builder.Sink (scopeOf flow) expression with
            | Some activation -> activate builder { flow with Here = here } activation.Definition.Name span activation
            | None -> Unknown

/// Gives a layer's arguments their values: positions, keywords, flags, activations, defaults.
module internal CnnCluster.Dsl.Checking.Binder

open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation

/// An argument as written, and the names that it may use: those of its use, or of the `defaults` it comes from.
type Written =
    { Expression: Expression; Scope: Scope }

/// A network's `defaults`: keyword arguments by layer.
type Defaults = Map<string, (Name * Written) list>

/// The arguments of one use, sorted by what they are for; each expression keeps its place.
type private Given =
    {
        Values: Map<string, Written>
        Flags: Map<string, Span>
        Activation: Written option
        /// Positional arguments of the definition that are still free.
        Free: ArgumentDefinition list
        /// Arguments whose value could not be understood, which was said.
        Lost: Set<string>
        /// Whether a setting has a name that the layer does not know: it may be the one that is missing.
        Misnamed: bool
        Sound: bool
    }

let private unsound given = { given with Sound = false }

/// What was meant for the next position was not understood: the positions behind it keep their meaning.
let private lost given =
    match given.Free with
    | [] -> unsound given
    | argument :: rest ->
        { unsound given with
            Free = rest
            Lost = Set.add argument.Name given.Lost }

let isActivation name =
    Activation.all |> List.exists (fun a -> a.Name = name)

let private activationNames = Activation.all |> List.map _.Name

let private settings (layer: LayerDefinition) =
    (layer.Arguments |> List.map _.Name) @ [ "activation" ]

let private addActivation sink (written: Written) given =
    match given.Activation with
    | None -> { given with Activation = Some written }
    | Some _ ->
        report sink (Diagnostic.error written.Expression.Span "a layer has one activation, and this is the second")
        unsound given

let private addValue sink (argument: ArgumentDefinition) (written: Written) span given =
    if given.Values.ContainsKey argument.Name || given.Flags.ContainsKey argument.Name then
        report sink (Diagnostic.error span $"'{argument.Name}' has a value already")
        unsound given
    else
        { given with
            Values = Map.add argument.Name written given.Values
            Free = given.Free |> List.filter (fun free -> free.Name <> argument.Name) }

let private unknownWord sink (layer: LayerDefinition) (written: Written) word given =
    let flags =
        layer.Arguments |> List.filter (fun a -> a.Kind = YesNo) |> List.map _.Name

    // Where one of certain words may stand next, those are what is looked for too.
    let choices =
        match given.Free with
        | { Kind = OneOf words } :: _ -> words
        | _ -> []

    let message =
        if choices.IsEmpty then
            $"'{word}' is neither a number here, nor a flag of '{layer.Name}', nor an activation"
        else
            $"'{word}' is not among the words that may stand here, nor a flag of '{layer.Name}', nor an activation"

    let diagnostic =
        { Diagnostic.error written.Expression.Span message with
            Expected = if choices.IsEmpty then None else Some(Suggestion.listed choices) }
        |> Suggestion.among (choices @ activationNames @ flags @ List.ofSeq (Map.keys written.Scope.Names)) word
        |> hintOfHyphen word

    if not written.Scope.Incomplete then report sink diagnostic

    // A misspelt activation takes no position; anything else was to be a number.
    match diagnostic.Suggestion with
    | Some meant when not (Map.containsKey meant written.Scope.Names) -> unsound given
    | _ -> lost given

/// Where an argument of words stands next, one of its words is its value.
let private takesWord given word =
    match given.Free with
    | { Kind = OneOf words } as argument :: _ when List.contains word words -> Some argument
    | { Kind = KernelOf } as argument :: _ when FixedKernel.all |> List.exists (fun k -> k.Name = word) -> Some argument
    | _ -> None

let private addWord sink (layer: LayerDefinition) (written: Written) word given =
    let isFlag (argument: ArgumentDefinition) =
        argument.Name = word && argument.Kind = YesNo

    if List.exists isFlag layer.Arguments then
        if given.Values.ContainsKey word || given.Flags.ContainsKey word then
            report sink (Diagnostic.error written.Expression.Span $"'{word}' has a value already")
            unsound given
        else
            { given with
                Flags = Map.add word written.Expression.Span given.Flags }
    else
        match takesWord given word with
        | Some argument -> addValue sink argument written written.Expression.Span given
        | None when isActivation word -> addActivation sink written given
        | None -> unknownWord sink layer written word given

let private surplus sink (layer: LayerDefinition) span given =
    let takes =
        match layer.Arguments |> List.filter _.Positional |> List.map _.Name with
        | [] -> "takes no value without a name"
        | names -> $"takes no further value without a name, after {Suggestion.listed names}"

    report sink (Diagnostic.error span $"'{layer.Name}' {takes}")
    unsound given

/// The word that an argument is, itself or through a block's parameter.
let private wordOf (sink: Sink) scope (expression: Expression) =
    match expression.Kind with
    | Word word ->
        match Scope.lookUp sink scope word with
        | None -> Some word
        | Some(Some(OfWord other)) -> Some other
        | Some _ -> None
    | _ -> None

let private callOf (sink: Sink) scope (expression: Expression) =
    match expression.Kind with
    | Call(name, _) -> Some(name.Text, name.Span)
    | Word word ->
        match Scope.lookUp sink scope word with
        | Some(Some(OfCall(name, _))) -> Some(name, expression.Span)
        | _ -> None
    | _ -> None

let private addPositional sink (layer: LayerDefinition) scope given (expression: Expression) =
    let written =
        { Expression = expression
          Scope = scope }

    match wordOf sink scope expression, callOf sink scope expression, given.Free with
    | Some word, _, _ -> addWord sink layer written word given
    | _, Some(name, _), ({ Kind = ArgumentKind.KernelOf } as argument: ArgumentDefinition) :: _ when
        FixedKernel.all |> List.exists (fun k -> k.Name = name)
        ->
        addValue sink argument written expression.Span given
    | _, Some(name, span), _ when not (isActivation name) ->
        Diagnostic.error span $"no activation is called '{name}'"
        |> Suggestion.among activationNames name
        |> report sink

        lost given
    | _, Some _, _ -> addActivation sink written given
    | None, None, argument :: _ -> addValue sink argument written expression.Span given
    | None, None, [] -> surplus sink layer expression.Span given

/// Whether a layer has a setting; notes the error if it has none.
let knows sink (layer: LayerDefinition) (key: Name) =
    let known = List.contains key.Text (settings layer)

    if not known then
        { Diagnostic.error key.Span $"'{layer.Name}' has no setting '{key.Text}'" with
            Expected = Some(Suggestion.listed (settings layer)) }
        |> Suggestion.among (settings layer) key.Text
        |> report sink

    known

let private addKeyword sink (layer: LayerDefinition) given (key: Name, value: Written) =
    match layer.Arguments |> List.tryFind (fun a -> a.Name = key.Text) with
    | Some argument -> addValue sink argument value key.Span given
    | None when knows sink layer key -> addActivation sink value given
    | None -> { unsound given with Misnamed = true }

let private add sink layer scope given argument =
    match argument with
    | Positional expression -> addPositional sink layer scope given expression
    | Keyword(key, value) -> addKeyword sink layer given (key, { Expression = value; Scope = scope })
    | Branch body ->
        report sink (Diagnostic.error body.Span $"'{layer.Name}' takes no branches")
        unsound given

/// What a use leaves open takes the network's default. A fixed kernel has none for what it rules out.
let private withDefaults sink (layer: LayerDefinition) (defaults: Defaults) (given: Given) =
    let ruledOut key =
        given.Values.ContainsKey "kernel"
        && List.contains key [ "size"; "bias"; "kernel-init" ]

    let apply (given: Given) (key: Name, value: Written) =
        if key.Text = "activation" then
            { given with
                Activation = Option.orElse (Some value) given.Activation }
        elif
            given.Values.ContainsKey key.Text
            || given.Flags.ContainsKey key.Text
            || ruledOut key.Text
        then
            given
        else
            addKeyword sink layer given (key, value)

    Map.tryFind layer.Name defaults
    |> Option.defaultValue []
    |> List.fold apply given

let private missing sink span (layer: LayerDefinition) given (argument: ArgumentDefinition) =
    if given.Misnamed || given.Lost.Contains argument.Name then
        None
    else
        expected sink span $"'{layer.Name}' needs '{argument.Name}'" (Suggestion.phrase argument.Doc)

let private valueOf sink (use': Span) (layer: LayerDefinition) given (argument: ArgumentDefinition) =
    match Map.tryFind argument.Name given.Values, Map.tryFind argument.Name given.Flags, argument.Default with
    | Some written, _, _ -> Conversion.convert sink written.Scope argument.Kind written.Expression
    | None, Some _, _ -> Some(FlagValue true)
    | None, None, Otherwise value -> Some value
    | None, None, RequiredWithout other when given.Values.ContainsKey other -> None
    | None, None, RequiredWithout _
    | None, None, Required -> missing sink use' layer given argument
    | None, None, Optional
    // Filled in from the other argument, once that has its value.
    | None, None, ArgumentDefault.As _ -> None

/// A layer's arguments, and where each was written.
type Bound =
    { Values: ArgumentValues
      Activation: Activation option
      Places: Map<string, Span> }

/// Whether a layer may do without the value of an argument.
let private dispensable (given: Given) (argument: ArgumentDefinition) =
    match argument.Default with
    | Optional -> not (given.Values.ContainsKey argument.Name)
    | RequiredWithout other -> given.Values.ContainsKey other
    | _ -> false

let private valuesOf sink span (layer: LayerDefinition) given =
    let own =
        [ for argument in layer.Arguments do
              match valueOf sink span layer given argument with
              | Some value -> argument.Name, value
              | None -> () ]
        |> Map.ofList

    let copied =
        [ for argument in layer.Arguments do
              match argument.Default with
              | ArgumentDefault.As other when not (own.ContainsKey argument.Name) && own.ContainsKey other ->
                  argument.Name, own[other]
              | _ -> () ]

    List.fold (fun map (name, value) -> Map.add name value map) own copied

/// All mistakes are noted; `None` if there were any.
let bind (sink: Sink) scope (defaults: Defaults) (layer: LayerDefinition) (word: Name) arguments : Bound option =
    let before = sink.Count

    let given =
        arguments
        |> List.fold
            (add sink layer scope)
            { Given.Values = Map.empty
              Flags = Map.empty
              Activation = None
              Free = layer.Arguments |> List.filter _.Positional
              Lost = Set.empty
              Misnamed = false
              Sound = true }
        |> withDefaults sink layer defaults

    let activation =
        given.Activation
        |> Option.bind (fun written -> Conversion.activation sink written.Scope written.Expression)

    let values = valuesOf sink word.Span layer given

    // A value may be missing without an error here: of a number whose own error was said where it was defined.
    let complete =
        layer.Arguments
        |> List.forall (fun argument -> values.ContainsKey argument.Name || dispensable given argument)

    if sink.Count > before || not given.Sound || not complete then
        None
    else
        let said = Set.ofSeq (Seq.append given.Values.Keys given.Flags.Keys)

        Some
            { Bound.Values = ArgumentValues(values, said)
              Activation = activation
              Places = given.Values |> Map.map (fun _ written -> written.Expression.Span) }

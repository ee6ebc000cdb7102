/// What a script declares besides networks and train parts: blocks and shared sets.
module internal CnnCluster.Dsl.Checking.Declared

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope

type Unit =
    /// Every use makes fresh weights.
    | Fresh of parameters: Parameter list
    /// Every use has the same weights.
    | Common

type Declared = { Name: Name; Unit: Unit; Body: Body }

/// The words that networks may use, and those that only units of this script have.
type Words =
    {
        Layers: LayerDefinition list
        Units: Map<string, Declared>
        /// Whether a declaration could not be read or imported: it may be any word that is missing.
        Incomplete: bool
    }

let layerNames words = words.Layers |> List.map _.Name
let activationNames = Activation.all |> List.map _.Name

/// Whether the language has a use of its own for a word, so that it can name no number and no value.
let isReserved words (word: string) =
    List.contains word Words.reserved
    || List.contains word activationNames
    || words.Layers |> List.exists (fun layer -> layer.Name = word)

/// Notes a word that is nothing a network can use.
let refuseUnknown (sink: Sink) words (word: Name) =
    let known =
        layerNames words
        @ activationNames
        @ Words.names Words.statements
        @ List.ofSeq (Map.keys words.Units)

    let diagnostic =
        Diagnostic.error word.Span $"'{word.Text}' is no layer"
        |> Suggestion.among known word.Text

    if not words.Incomplete then
        report
            sink
            (if diagnostic.Suggestion.IsSome then
                 diagnostic
             else
                 { diagnostic with
                     Expected = Some "a layer, an activation or a block: 'cnn help' lists them" })

let refuseReserved (sink: Sink) words what (name: Name) =
    if isReserved words name.Text then
        report sink (Diagnostic.error name.Span $"'{name.Text}' is a word of the language, and no name for {what}")

let private unitOf (declaration: Declaration) =
    match declaration.Kind with
    | Block(name, parameters, body) ->
        Some
            { Name = name
              Unit = Fresh parameters
              Body = body }
    | Shared(name, body) ->
        Some
            { Name = name
              Unit = Common
              Body = body }
    | _ -> None

let private checkParameters sink words parameters =
    for parameter: Parameter in parameters do
        refuseReserved sink words "a parameter" parameter.Name

        if List.contains parameter.Name.Text (Words.names Words.arguments) then
            report
                sink
                (Diagnostic.error
                    parameter.Name.Span
                    $"every block has '{parameter.Name.Text}': a parameter needs another name")

    for _, same in parameters |> List.groupBy _.Name.Text do
        for parameter in List.tail same do
            report sink (Diagnostic.error parameter.Name.Span $"there is a parameter '{parameter.Name.Text}' already")

let private checkUnit (sink: Sink) words (declared: Declared) =
    let name = declared.Name

    if List.contains name.Text (Words.names (Words.values @ Words.statements)) then
        report sink (Diagnostic.error name.Span $"'{name.Text}' is a word of the language, and no name for a block")
    elif List.contains name.Text (layerNames words @ activationNames) then
        report
            sink
            (Diagnostic.warning
                name.Span
                $"'{name.Text}' is a word of the language too: this script means its own by it")

    match declared.Unit with
    | Fresh parameters -> checkParameters sink words parameters
    | Common -> ()

let private firstOfEach (sink: Sink) (units: Declared list) =
    for _, same in units |> List.groupBy _.Name.Text do
        let first = same.Head.Name.Span

        for declared in same.Tail do
            report
                sink
                (Diagnostic.error declared.Name.Span $"'{declared.Name.Text}' is there already, at {Report.place first}")

    units |> List.rev |> List.map (fun u -> u.Name.Text, u) |> Map.ofList

// ---- recursion ----

/// What a body uses, over all braces in it.
let usesOf (body: Body) =
    let found = List<Name * Argument list>()
    let pending = Stack<Body>([ body ])

    let inside (statement: Statement) =
        match statement.Kind with
        | Use(word, arguments, _) ->
            found.Add((word, arguments))

            for argument in arguments do
                match argument with
                | Branch branch -> pending.Push branch
                | _ -> ()
        | If(_, yes, no) ->
            pending.Push yes
            Option.iter pending.Push no
        | Repeat(_, _, _, inner) -> pending.Push inner
        | _ -> ()

    while pending.Count > 0 do
        pending.Pop().Statements |> List.iter inside

    List.ofSeq found

/// Follows uses among units that all use one another until one comes up again.
let private cycle (uses: Map<string, Name list>) (start: Name) =
    let rec follow (path: Name list) name =
        let next = uses[name] |> List.find (fun word -> uses.ContainsKey word.Text)

        match path |> List.tryFindIndex (fun word -> word.Text = next.Text) with
        | Some index -> next :: List.take (index + 1) path
        | None -> follow (next :: path) next.Text

    follow [ start ] start.Text |> List.rev

/// What is left when those that use nothing that is left are taken away, as long as there are any (Kahn 1962).
let private recursive (uses: Map<string, Name list>) =
    let used =
        uses
        |> Map.map (fun _ words -> words |> List.map _.Text |> List.distinct |> List.filter uses.ContainsKey)

    let users = Dictionary<string, List<string>>()
    let open' = Dictionary<string, int>()

    for KeyValue(name, words) in used do
        open'[name] <- words.Length

        for word in words do
            if not (users.ContainsKey word) then users[word] <- List()

            users[word].Add name

    let ready = Stack<string>(open'.Keys |> Seq.filter (fun name -> open'[name] = 0))

    while ready.Count > 0 do
        let name = ready.Pop()
        open'.Remove name |> ignore

        match users.TryGetValue name with
        | true, list ->
            for user in list do
                open'[user] <- open'[user] - 1
                if open'[user] = 0 then ready.Push user
        | _ -> ()

    uses |> Map.filter (fun name _ -> open'.ContainsKey name)

let rec private refuseRecursion (sink: Sink) words uses =
    let left = recursive uses

    if not left.IsEmpty then
        let loop = cycle left words.Units[Seq.head left.Keys].Name
        let names = loop |> List.map _.Text
        let chain = String.concat " → " names

        report
            sink
            { Diagnostic.error (List.last loop).Span $"'{names.Head}' uses itself: {chain}" with
                Expected = Some "blocks that end: 'repeat' and 'if' do what recursion would" }

        refuseRecursion sink words (List.fold (fun rest name -> Map.remove name rest) left names)

/// The units of a script, checked as far as they can be without a use.
let ofScript (sink: Sink) (layers: LayerDefinition list) (script: Script) =
    let units = script.Declarations |> List.choose unitOf

    let words =
        { Layers = layers
          Units = firstOfEach sink units
          Incomplete = script.Declarations |> List.exists (fun d -> d.Kind = UnreadDeclaration) }

    units |> List.iter (checkUnit sink words)

    words.Units
    |> Map.map (fun _ declared -> usesOf declared.Body |> List.map fst)
    |> refuseRecursion sink words

    words
